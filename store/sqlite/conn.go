package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	_ "modernc.org/sqlite" // the driver of database/sql, for migrations; it prepares the library for work on many threads
	lib "modernc.org/sqlite/lib"
)

// conn is a connection with the statements that were prepared on it. It calls SQLite's C interface (translated to Go) by
// itself: what database/sql and its driver do for a statement that writes one row, such as looking up the names of
// parameters, costs as much processor time as the statement. Not safe for concurrent use.
//
// Statements that are run often have +? where SQLite's planner would look at the value of a bare parameter, since it
// prepares a statement anew when such a value changes: limits, ranges, and equalities whose value is sometimes 0 or 1.
type conn struct {
	tls   *libc.TLS
	db    uintptr
	stmts map[string]*stmt
}

// settings are what a connection is told when it is opened.
type settings []string

// For all connections.
var common = settings{"busy_timeout(5000)", "foreign_keys(1)", "trusted_schema(0)"}

// forWriter: a log that the syncer syncs, not SQLite, and that the checkpointer writes back; a commit does so only when
// that one lags far behind. Deleted content is overwritten, which costs nothing that can be measured.
var forWriter = settings{
	"journal_mode(WAL)", "synchronous(NORMAL)", "wal_autocheckpoint(16000)", "secure_delete(1)", "temp_store(MEMORY)",
	"cache_size(-16384)",
}

var (
	forReader     = settings{"query_only(1)", "cache_size(-8192)"}
	forCheckpoint = settings{"synchronous(NORMAL)", "wal_autocheckpoint(0)", "cache_size(-64)"}
)

// dsn names an existing database file and how connections to it behave, for database/sql.
func dsn(path string, own settings) string {
	q := url.Values{
		"mode":    {"rw"}, // never makes a file
		"_txlock": {"immediate"},
		"_pragma": append(common[:len(common):len(common)], own...),
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// openConn opens an existing database file.
func openConn(path string, own settings) (_ *conn, err error) {
	c := &conn{tls: libc.NewTLS(), stmts: make(map[string]*stmt)}
	defer func() {
		if err != nil {
			_ = c.close()
		}
	}()
	name, err := libc.CString(path)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, name)
	place := c.malloc(unsafe.Sizeof(c.db))
	defer libc.Xfree(c.tls, place)
	// One goroutine at a time uses it, so SQLite need not lock it.
	rc := lib.Xsqlite3_open_v2(c.tls, name, place, lib.SQLITE_OPEN_READWRITE|lib.SQLITE_OPEN_NOMUTEX, 0)
	c.db = *at[uintptr](place)
	if rc != lib.SQLITE_OK {
		return nil, c.fault(rc)
	}
	lib.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	for _, s := range append(common[:len(common):len(common)], own...) {
		if err := c.set(s); err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
	}
	return c, nil
}

// set runs a PRAGMA, once.
func (c *conn) set(pragma string) error {
	sql := "PRAGMA " + pragma
	_, err := c.exec(sql)
	if st, ok := c.stmts[sql]; ok {
		st.close()
		delete(c.stmts, sql)
	}
	return err
}

// leaveLog makes the connection leave the log as it is when it is closed, though it be the last.
func (c *conn) leaveLog() {
	args := c.malloc(16)
	defer libc.Xfree(c.tls, args)
	lib.Xsqlite3_db_config(c.tls, c.db, lib.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, libc.VaList(args, int32(1), uintptr(0)))
}

func (c *conn) close() (err error) {
	for _, st := range c.stmts {
		st.close()
	}
	if c.db != 0 {
		if rc := lib.Xsqlite3_close_v2(c.tls, c.db); rc != lib.SQLITE_OK {
			err = c.fault(rc)
		}
	}
	c.tls.Close()
	return err
}

// fault is an error of SQLite's.
type fault struct {
	code    int // extended
	message string
}

func (f *fault) Error() string { return fmt.Sprintf("%s (%d)", f.message, f.code) }

// Code is SQLite's extended result code.
func (f *fault) Code() int { return f.code }

func (c *conn) fault(rc int32) error {
	says := libc.GoString(lib.Xsqlite3_errstr(c.tls, rc))
	if c.db != 0 {
		if more := libc.GoString(lib.Xsqlite3_errmsg(c.tls, c.db)); more != says {
			says += ": " + more
		}
	}
	return &fault{int(rc), says}
}

func (c *conn) malloc(n uintptr) uintptr {
	p := libc.Xmalloc(c.tls, types.Size_t(n))
	if p == 0 {
		panic(fmt.Sprintf("sqlite: no memory for %d bytes", n)) // as everywhere in Go
	}
	return p
}

// at and bytesAt make memory of SQLite's, which Go's collector does not know, ours.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

func bytesAt(p uintptr, n int) []byte { return unsafe.Slice(at[byte](p), n) }

// stmt is a prepared statement.
type stmt struct {
	c       *conn
	p       uintptr
	buf     uintptr // what texts and blobs are bound to, of size bytes
	size    int
	selects bool // it changes nothing, so that it need not be run to its end
}

func (c *conn) prepare(sql string) (*stmt, error) {
	if st, ok := c.stmts[sql]; ok {
		return st, nil
	}
	text, err := libc.CString(sql)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, text)
	place := c.malloc(unsafe.Sizeof(uintptr(0)))
	defer libc.Xfree(c.tls, place)
	if rc := lib.Xsqlite3_prepare_v3(
		c.tls, c.db, text, int32(len(sql)+1), lib.SQLITE_PREPARE_PERSISTENT, place, 0,
	); rc != lib.SQLITE_OK {
		return nil, c.fault(rc)
	}
	st := &stmt{c: c, p: *at[uintptr](place), selects: strings.HasPrefix(sql, "SELECT")}
	c.stmts[sql] = st
	return st, nil
}

func (s *stmt) close() {
	lib.Xsqlite3_finalize(s.c.tls, s.p)
	if s.buf != 0 {
		libc.Xfree(s.c.tls, s.buf)
	}
}

// value is an argument of a statement. What is run for every delivery makes its values itself: a number that is put into
// an interface takes memory of its own.
type value struct {
	kind  valueKind
	n     int64
	bytes string
}

type valueKind uint8

const (
	isNull valueKind = iota
	isNumber
	isText
	isBlob
)

func number[T ~int64 | ~int | ~int8](n T) value { return value{kind: isNumber, n: int64(n)} }

func truth(b bool) value { return value{kind: isNumber, n: int64(libc.Bool32(b))} }

func instant(t time.Time) value { return value{kind: isNumber, n: micros(t)} }

// orNothing is a text, or NULL when it is empty.
func orNothing[T ~string](s T) value {
	if s == "" {
		return value{}
	}
	return value{kind: isText, bytes: string(s)}
}

// stored is a text that is stored as it is, even when it is empty.
func stored[T ~string](s T) value { return value{kind: isText, bytes: string(s)} }

// blob is NULL when it is empty. The bytes are not changed before the statement has run.
func blob[T ~[]byte](b T) value {
	if len(b) == 0 {
		return value{}
	}
	return value{kind: isBlob, bytes: unsafe.String(unsafe.SliceData(b), len(b))}
}

// text is a string that is stored as it is, even when it is empty.
type text string

// valueOf takes an argument out of its box: times become microseconds, empty strings and slices NULL. Columns that are
// never NULL get their strings as text.
func valueOf(a any) (value, bool) {
	switch x := a.(type) {
	case nil:
		return value{}, true
	case int64:
		return number(x), true
	case int:
		return number(x), true
	case bool:
		return truth(x), true
	case time.Time:
		return instant(x), true
	case text:
		return stored(x), true
	case string:
		return orNothing(x), true
	case []byte:
		return blob(x), true
	}
	return value{}, false
}

// bind sets the parameters.
func (s *stmt) bind(args []any) error {
	var few [24]value
	all := few[:0]
	for i, a := range args {
		v, ok := valueOf(a)
		if !ok {
			return fmt.Errorf("argument %d is a %T", i+1, a)
		}
		all = append(all, v)
	}
	return s.bindValues(all)
}

func (s *stmt) bindValues(args []value) error {
	size := 1
	for i := range args {
		size += len(args[i].bytes)
	}
	if size > math.MaxInt32 {
		return errors.New("too many bytes")
	}
	if size > s.size {
		if s.buf != 0 {
			libc.Xfree(s.c.tls, s.buf)
		}
		s.size = 2 * size
		s.buf = s.c.malloc(uintptr(s.size))
	}
	used := s.buf
	for i := range args {
		v, n := &args[i], int32(i+1)
		copy(bytesAt(used, len(v.bytes)), v.bytes)
		var rc int32
		switch v.kind {
		case isNull:
			rc = lib.Xsqlite3_bind_null(s.c.tls, s.p, n)
		case isNumber:
			rc = lib.Xsqlite3_bind_int64(s.c.tls, s.p, n, v.n)
		case isText:
			rc = lib.Xsqlite3_bind_text(s.c.tls, s.p, n, used, int32(len(v.bytes)), 0)
		case isBlob:
			rc = lib.Xsqlite3_bind_blob(s.c.tls, s.p, n, used, int32(len(v.bytes)), 0)
		}
		if rc != lib.SQLITE_OK {
			return s.c.fault(rc)
		}
		used += uintptr(len(v.bytes))
	}
	return nil
}

// rows runs the statement to its end, or until f is done with it, and calls f, if not nil, with every row.
func (s *stmt) rows(args []any, f func(row) (more bool, err error)) error {
	if err := s.bind(args); err != nil {
		return err
	}
	return s.run(f)
}

// run is rows for a statement that has its arguments.
func (s *stmt) run(f func(row) (more bool, err error)) error {
	for {
		switch rc := lib.Xsqlite3_step(s.c.tls, s.p); rc {
		case lib.SQLITE_DONE:
			lib.Xsqlite3_reset(s.c.tls, s.p)
			return nil
		case lib.SQLITE_ROW:
			if f == nil {
				continue
			}
			if more, err := f(row{s}); err != nil || !more {
				lib.Xsqlite3_reset(s.c.tls, s.p)
				return err
			}
		default:
			err := s.c.fault(rc)
			lib.Xsqlite3_reset(s.c.tls, s.p)
			return err
		}
	}
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(sql string, args ...any) (int64, error) {
	st, err := c.prepare(sql)
	if err != nil {
		return 0, err
	}
	if err := st.rows(args, nil); err != nil {
		return 0, err
	}
	return int64(lib.Xsqlite3_changes(c.tls, c.db)), nil
}

// execValues is exec.
func (c *conn) execValues(sql string, args ...value) (int64, error) {
	st, err := c.prepare(sql)
	if err != nil {
		return 0, err
	}
	if err := st.bindValues(args); err != nil {
		return 0, err
	}
	if err := st.run(nil); err != nil {
		return 0, err
	}
	return int64(lib.Xsqlite3_changes(c.tls, c.db)), nil
}

// interruptible runs a long statement, which ends early with an error when ctx does.
func (c *conn) interruptible(ctx context.Context, sql string, args ...any) error {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		tls := libc.NewTLS() // c.tls belongs to who runs the statement
		defer tls.Close()
		lib.Xsqlite3_interrupt(tls, c.db)
	})
	_, err := c.exec(sql, args...)
	if !stop() {
		<-ended // the connection may be closed now
	}
	if ctx.Err() != nil && err != nil {
		err = context.Cause(ctx)
	}
	return err
}

// each runs a query and calls f with every row, which belongs to f until it returns; its values may be kept.
func (c *conn) each(f func(row) error, sql string, args ...any) error {
	st, err := c.prepare(sql)
	if err != nil {
		return err
	}
	return st.rows(args, func(r row) (bool, error) {
		err := f(r)
		return err == nil, err
	})
}

// one runs a query and calls f with its first row; it reports whether there is one.
func (c *conn) one(f func(row), sql string, args ...any) (found bool, err error) {
	st, err := c.prepare(sql)
	if err != nil {
		return false, err
	}
	err = st.rows(args, func(r row) (bool, error) {
		if !found {
			found = true
			f(r)
		}
		return !st.selects, nil
	})
	return found, err
}

// row is one result of a query. NULL is 0 or empty.
type row struct{ s *stmt }

func (r row) int(i int) int64 { return lib.Xsqlite3_column_int64(r.s.c.tls, r.s.p, int32(i)) }

func (r row) bool(i int) bool { return r.int(i) != 0 }

func (r row) null(i int) bool {
	return lib.Xsqlite3_column_type(r.s.c.tls, r.s.p, int32(i)) == lib.SQLITE_NULL
}

func (r row) time(i int) time.Time { return fromMicros(r.int(i)) }

func (r row) text(i int) string { return string(r.raw(i)) }

func (r row) bytes(i int) []byte {
	raw := r.raw(i)
	if len(raw) == 0 {
		return nil
	}
	return append([]byte(nil), raw...)
}

// raw is valid until the next row.
func (r row) raw(i int) []byte {
	p := lib.Xsqlite3_column_blob(r.s.c.tls, r.s.p, int32(i)) // of a text, its bytes
	if p == 0 {
		return nil
	}
	return bytesAt(p, int(lib.Xsqlite3_column_bytes(r.s.c.tls, r.s.p, int32(i))))
}

// micros and fromMicros convert times; 0 is the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// exact is t as it comes back from the database.
func exact(t time.Time) time.Time { return fromMicros(micros(t)) }

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
