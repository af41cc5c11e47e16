package sqlite

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cellpost/queue"
	"cellpost/sms"
)

// rawConn opens a database as the writer does, without migrating it.
func rawConn(t *testing.T, path string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite3", dsn(path, writerOptions))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func setVersion(t *testing.T, path, v string) {
	t.Helper()
	if _, err := rawConn(t, path).ExecContext(t.Context(), "PRAGMA user_version = "+v); err != nil {
		t.Fatal(err)
	}
}

func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	conn := rawConn(t, path)
	files, err := latest()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := migrate(t.Context(), conn, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if v, err := version(t.Context(), conn); v != len(files) || err != nil {
			t.Fatalf("version %d, %v; want %d", v, err, len(files))
		}
	}
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000",
	} {
		var got string
		if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", pragma, got, err, want)
		}
	}
}

// TestUpgrade opens the data of every version before this one.
func TestUpgrade(t *testing.T) {
	files, err := latest()
	if err != nil {
		t.Fatal(err)
	}
	for old := 1; old < len(files); old++ {
		path := filepath.Join(t.TempDir(), "queue.db")
		conn := rawConn(t, path)
		for _, file := range files[:old] {
			text, err := migrations.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			changed(t, conn, string(text))
		}
		setVersion(t, path, strconv.Itoa(old))
		_, err := conn.ExecContext(t.Context(), `INSERT INTO account (name, password_hash, api_id, credits, unlimited, networks,
			report, short_codes, concat, on_unknown, created) VALUES ('shop', 'h', 7, 5, 0, '', 1, 0, 3, 'hold', 1)`)
		if err != nil {
			t.Fatal(err)
		}
		if old < 3 {
			oldInbox(t, conn)
		}
		s, err := Open(path, &sms.Rules{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("data of version %d: %v", old, err)
		}
		if old < 3 {
			checkOldInbox(t, s)
		}
		a, err := s.Account(t.Context(), "shop")
		if err != nil || a.APIID != 7 || a.NonGSM != "" || a.Languages != nil {
			t.Errorf("data of version %d: account %+v, %v", old, a, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// changed carries out a migration.
func changed(t *testing.T, conn *sql.Conn, text string) {
	t.Helper()
	tx, err := conn.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := change(t.Context(), tx, text); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// TestChangeMonths: a migration reaches the tables that were made since the first.
func TestChangeMonths(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	want := []string{"history_2026_12", "history_2026_11"}
	for _, month := range want {
		if err := s.tx.newMonth(month); err != nil {
			t.Fatal(err)
		}
	}
	changed(t, s.tx.conn, "CREATE TABLE other (n INTEGER);\n"+eachMonth+"ALTER TABLE history_month ADD COLUMN more TEXT;\n")
	for _, month := range want {
		if _, err := s.tx.exec(`UPDATE ` + month + ` SET more = ''`); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.tx.exec(`INSERT INTO other VALUES (1)`); err != nil {
		t.Error(err)
	}
	if got, err := s.months(t.Context()); !slices.Equal(got, want) || err != nil {
		t.Errorf("months %q, %v", got, err)
	}
}

// The inbox of versions before 3 had a row for each part, as the modem had
// decoded it.
var oldDelivers = []string{
	"040C9144779000102100006211222100000005E8329BFD06",     // a text
	"440C9144779000102100006211222110000008050003070201C2", // the first of two parts
	"440C9144779000102100006211222110100008050003070202C4", // the second
	"0102", // nothing that can be read
}

func oldInbox(t *testing.T, conn *sql.Conn) {
	t.Helper()
	for i, digits := range oldDelivers {
		tpdu, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.ExecContext(t.Context(), `INSERT INTO inbound (sim, modem, tpdu, sender, text, received) VALUES ('a', 'm', ?, 'x', 'y', ?)`, tpdu, 1000*(i+1))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// checkOldInbox shows that the rows were taken over, and are not taken in again.
func checkOldInbox(t *testing.T, s *Store) {
	t.Helper()
	in, err := s.Inbox(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range in {
		got = append(got, fmt.Sprintf("%d %s %s %q %q", m.Received.Unix(), m.SIM, m.Kind, m.From, m.Text))
	}
	want := []string{`4 a unreadable "" "0102"`, `3 a text "+447709000112" "ab"`, `1 a text "+447709000112" "hello"`}
	if !slices.Equal(got, want) {
		t.Errorf("the inbox has %q, want %q", got, want)
	}
	fresh, _, err := s.Receive(t.Context(), sms.Inbound{SIM: "a", TPDU: []byte{1, 2}})
	if err != nil || fresh {
		t.Errorf("taken in again: %v, %v", fresh, err)
	}
}

func TestVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	setVersion(t, path, "0")
	if _, err := OpenReader(path); err == nil || !strings.Contains(err.Error(), "start the service once") {
		t.Errorf("read before the migration: %v", err)
	}
	setVersion(t, path, "999")
	if _, err := Open(path, &sms.Rules{}, nil); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("open of a newer database: %v", err)
	}
	if _, err := OpenReader(path); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("read of a newer database: %v", err)
	}
}

// TestSchemaRefuses shows that nonsense does not get into the tables.
func TestSchemaRefuses(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	addShop(t, s)
	if err := s.Add(t.Context(), batch(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim(t.Context(), queue.By{SIM: "a"}); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		`UPDATE message SET state = 'lost'`,
		`UPDATE message SET state = 'queued', due = NULL`,
		`UPDATE message SET state = 'held'`,
		`UPDATE message SET id = x'00'`,
		`UPDATE message SET expires = 'tomorrow'`,
		`UPDATE message SET priority = 0`,
		`UPDATE part SET state = 'scheduled'`,
		`UPDATE part SET mr = 256`,
		`UPDATE attempt SET outcome = 'fine'`,
		`UPDATE attempt SET outcome = 'accepted'`,
		`UPDATE attempt SET outcome = 'refused', ended = 1, mr = 5`,
		`UPDATE attempt SET part = 2`,
		`UPDATE account SET on_unknown = 'ask'`,
		`UPDATE account SET non_gsm = 'drop'`,
		`INSERT INTO ledger (sim, fingerprint, received) VALUES ('a', x'00', 1)`,
		`INSERT INTO inbound (sim, modem, received, sender, text, kind, detail, pid, parts, missing) VALUES ('a', 'm', 1, '', '', 'spam', '', 0, 1, '')`,
		`INSERT INTO inbound (sim, modem, received, sender, text, kind, detail, pid, parts, missing, due) VALUES ('a', 'm', 1, '', '', 'text', '', 0, 1, '', 1)`,
		`INSERT INTO inbound_part (inbound, n, tpdu, received) VALUES (99, 1, x'00', 1)`,
		`INSERT INTO card (iccid, imsi, name, makeshift, modem, slot, configured, seen) VALUES ('', '', 'a', 0, 'm', 0, 'a', 1)`,
		`INSERT INTO timeline (message, n, at, event, detail) VALUES (99, 1, 1, 'sent', '')`,
	} {
		if _, err := s.tx.exec(query); err == nil {
			t.Errorf("passed: %s", query)
		}
	}
}

// TestPlans holds the statements of every hand-over to their index: a scan, or
// a sort, would cost more the more messages there are.
func TestPlans(t *testing.T) {
	s := openTest(t, &sms.Rules{})
	byAccount, _ := listQuery(queue.Filter{Account: "a"})
	byState, _ := listQuery(queue.Filter{State: sms.Failed})
	const month = "history_2026_11"
	if err := s.tx.newMonth(month); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ query, index string }{
		{pastQuery(month, queue.Filter{}), "INTEGER PRIMARY KEY (rowid>?)"},
		{pastQuery(month, queue.Filter{State: sms.Failed}), "COVERING INDEX history_2026_11_state (state=? AND seq>?)"},
		{pastQuery(month, queue.Filter{Account: "a"}), "COVERING INDEX history_2026_11_account (account=? AND state=? AND seq>?)"},
		{namedQuery(month), "INDEX history_2026_11_named (seq>? AND seq<?)"},
		{overQuery, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
		{namedLiveQuery, "INTEGER PRIMARY KEY (rowid<?)"},
		{namedInboundQuery, "INDEX inbound_named (id<?)"},
		{namedEventQuery, "INDEX event_named (id<?)"},
		{keptPurge, "INDEX report_kept"},
		{claimQuery, "COVERING INDEX message_claim (lane=? AND priority=? AND account=? AND due<?)"},
		{moreQuery, "COVERING INDEX message_claim (lane=? AND priority=? AND account=? AND due<?)"},
		{waitingQuery, "SEARCH message USING COVERING INDEX message_claim (lane=? AND priority=? AND account>?)"},
		{queuedLaneQuery, "COVERING INDEX message_claim (lane>?)"},
		{waitingLaneQuery, "INDEX message_waiting (lane>?)"},
		{overdueQuery, "INDEX message_review (review>? AND review<?)"},
		{nextDueQuery, "INDEX message_review"},
		{timedQuery, "INDEX message_timed (state=? AND at>? AND at<?)"},
		{heldQuery, "INDEX message_timed (state=? AND at>?)"},
		{nextTimedQuery, "INDEX message_timed (state=? AND at>?)"},
		{someHeldQuery, "INDEX message_timed (state=? AND at>?)"},
		{earlierQuery, "INDEX attempt_by_part (message=? AND part=?)"},
		{openQuery, "INDEX attempt_open"},
		{lapsedQuery, "INDEX attempt_open"},
		{nextLapseQuery, "INDEX attempt_open"},
		{delayQuery, "INDEX audience_by_late (late<?)"},
		{nextDelayQuery, "INDEX audience_by_late"},
		{givenQuery, "INDEX attempt_by_part (message=?)"},
		{forgetQuery, "INDEX reference_by_age (used<?)"},
		{referencePurge, "INDEX reference_by_age (used<?)"},
		{attemptQuery, "INTEGER PRIMARY KEY (rowid=?)"},
		{partsQuery, "PRIMARY KEY (message=?)"},
		{confusableQuery, "INDEX message_by_recipient (recipient=?)"},
		{begunQuery, "PRIMARY KEY (message=?)"},
		{beforeQuery, "INDEX attempt_by_part (message=? AND part=?)"},
		{usageQuery, "PRIMARY KEY (sim=?)"},
		{leftQuery, "INDEX attempt_by_part (message=?)"},
		{releaseQuery, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
		{undoQuery, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"},
		{referenceQuery, "INDEX attempt_by_reference (sim=? AND mr=?)"},
		{unknownQuery, "INDEX attempt_unknown (sim=?)"},
		{keptQuery, "INDEX report_kept (sim=? AND received>?)"},
		{storedQuery, "INDEX sqlite_autoindex_report_1 (sim=? AND tpdu=?)"},
		{clockQuery, "INDEX report_matched (sim=?)"},
		{underWayQuery, "INDEX attempt_open"},
		{nextIncompleteQuery, "INDEX inbound_due"},
		{incompleteQuery, "INDEX inbound_due (due<?)"},
		{inboxQuery, "INDEX inbound_by_time"},
		{newestWithQuery, "INDEX inbound_by_concat (sim=? AND concat=?)"},
		{inboundPartsQuery, "PRIMARY KEY (inbound=?)"},
		{newerQuery, "INDEX inbound_current (sim=? AND sender=? AND pid=?)"},
		{replacedQuery, "INDEX inbound_current (sim=? AND sender=? AND pid=?)"},
		{dueEventQuery, "INDEX event_due"},
		{accountQuery, "PRIMARY KEY (name=?)"},
		{byAccount, "INDEX message_by_account (account=?)"},
		{byState, "INDEX message_by_state (state=?)"},
	} {
		plan := explainPlan(t, s, c.query)
		if !slices.ContainsFunc(plan, func(step string) bool { return strings.Contains(step, c.index) }) {
			t.Errorf("no %q in the plan of\n%s\n%s", c.index, c.query, strings.Join(plan, "\n"))
		}
		for _, step := range plan {
			walks := strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "USING") && !slices.Contains([]string{"SCAN a", "SCAN waiting", "SCAN CONSTANT ROW"}, step)
			if walks || strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%q in the plan of\n%s", step, c.query)
			}
		}
	}
}

func explainPlan(t *testing.T, s *Store, query string) []string {
	t.Helper()
	args := make([]any, 9) // NULL for as many parameters as there are
	stmt, err := s.tx.conn.PrepareContext(t.Context(), "EXPLAIN QUERY PLAN "+lasting(query))
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	n := strings.Count(query, "?")
	for i := 9; strings.Contains(query, "?1"); i-- {
		if strings.Contains(query, fmt.Sprint("?", i)) {
			n = i
			break
		}
	}
	rows, err := stmt.QueryContext(t.Context(), args[:n]...)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := collect(rows, func(r scanner) (step string, err error) {
		var skip int
		err = r.Scan(&skip, &skip, &skip, &step)
		return step, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}
