// Cellpost is an SMS gateway: mail in, short messages out, over GSM modems on
// the same board.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// verbs is the command line. Each verb has a file of its own.
type verbs struct {
	Serve   serveVerb   `cmd:"" help:"Run the gateway in the foreground."`
	Demo    demoVerb    `cmd:"" help:"Run a gateway with simulated modems, to try it without hardware."`
	Check   checkVerb   `cmd:"" help:"Validate a configuration."`
	Account accountVerb `cmd:"" help:"Add, list, change and remove accounts."`
	Send    sendVerb    `cmd:"" help:"Send a message through the running gateway."`
	Price   priceVerb   `cmd:"" help:"Tell what a message would cost, and which way it would go; nothing is sent."`
	Queue   queueVerb   `cmd:"" help:"See messages and how much waits; cancel them, send them again."`
	Inbox   inboxVerb   `cmd:"" help:"See messages from handsets."`
	Replies repliesVerb `cmd:"" help:"See the mails to customers, sent, kept or given up, and try one anew."`
	Modem   modemVerb   `cmd:"" help:"See the modems, and act on them."`
	Doctor  doctorVerb  `cmd:"" help:"Explain what is wrong with modems, SIMs, network, clock and disk, and what to do."`
	Backup  backupVerb  `cmd:"" help:"Write the database and the configuration into one file."`
	Restore restoreVerb `cmd:"" help:"Put a backup, or a snapshot, in the place of the database; the gateway has to be stopped."`
	PDU     pduVerb     `cmd:"" name:"pdu" help:"Read and write PDUs by hand; needs no gateway."`
	Version versionVerb `cmd:"" help:"Print the version."`
}

// streams are where a verb reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	// The first signal asks for an orderly end, the second ends at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run carries out one verb and returns the exit status: 0, 1 for a failure, 2
// for a command line that makes no sense.
func run(ctx context.Context, args []string, s streams) int {
	exit := -1
	parser, err := newParser(s, func(code int) { exit = code })
	if err != nil {
		fmt.Fprintln(s.err, "cellpost:", err)
		return 2
	}
	for i, arg := range args {
		if !utf8.ValidString(arg) { // kong would put U+FFFD into a text
			fmt.Fprintf(s.err, "cellpost: argument %d is no UTF-8: %q; set the terminal to UTF-8\n", i+1, arg)
			return 2
		}
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 { // help was asked for
		return exit
	}
	if err != nil {
		fmt.Fprintf(s.err, "cellpost: %v (see cellpost --help)\n", err)
		return 2
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(); err != nil {
		if !errors.Is(err, context.Canceled) {
			fmt.Fprintln(s.err, "cellpost:", err)
		}
		return 1
	}
	return 0
}

// newParser returns what reads a command line; exit is called where that is all
// there is to do.
func newParser(s streams, exit func(code int)) (*kong.Kong, error) {
	return kong.New(new(verbs), kong.Name("cellpost"),
		kong.Description("An SMS gateway on your own SIM cards. Try: cellpost demo"),
		kong.Vars{"config": standardConfig},
		kong.Writers(s.out, s.err), kong.Exit(exit), kong.Bind(s))
}

type versionVerb struct{}

func (versionVerb) Run(s streams) error {
	_, err := fmt.Fprintln(s.out, "cellpost", version())
	return err
}

// release is set by the build of a release.
var release string

// version names the build: the release, else the commit it was made from.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "commit " + s.Value
		}
	}
	return info.Main.Version
}
