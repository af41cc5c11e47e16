package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
)

// document keeps what nothing is searched by as JSON in one column. v points to it.
type document struct{ v any }

// Scan implements [database/sql.Scanner]; NULL leaves what v points to as it is.
func (d document) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(v), d.v)
	case []byte:
		return json.Unmarshal(v, d.v)
	}
	return fmt.Errorf("a document is kept as JSON, not as %T", v)
}

// Value implements [driver.Valuer].
func (d document) Value() (driver.Value, error) {
	b, err := json.Marshal(d.v)
	return string(b), err
}
