//go:build unix

package pgtest

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// To make a database and to remove it takes PostgreSQL a checkpoint, with all that is dirty in the whole cluster, and much
// longer than most tests take. So a copy of a template goes from test to test: between two of them its connections are
// ended, its rows are deleted and those of the template put back, and its sequences begin where they did. Its files stay
// as the tests have left them, with dead rows in them, as those of any database that was in use for a while. One whose
// tables a test has changed is not used again.

// shape tells apart databases whose relations were made, changed or removed.
const shape = `SELECT md5(string_agg(c.oid || ' ' || c.relfilenode || ' ' || c.relnatts || ' ' || c.relchecks || ' ' || coalesce(c.reloptions::text, ''), ',' ORDER BY c.oid)
	|| (SELECT count(*) || ' ' || coalesce(max(oid), 0) FROM pg_proc) || (SELECT count(*) FROM pg_trigger) || (SELECT count(*) FROM pg_constraint)
	|| (SELECT coalesce(string_agg(setconfig::text, ','), '') FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())))
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'`

// remember keeps in a template what [reset] needs in its copies: its shape, the rows of its tables, and where its sequences
// are. Copies have the same relations, by number and file.
func remember(ctx context.Context, url string) error {
	return in(ctx, url, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `CREATE SCHEMA pgtest;
			CREATE TABLE pgtest.sequences AS SELECT schemaname, sequencename, start_value, last_value FROM pg_sequences WHERE schemaname = 'public';
			DO $$
				DECLARE name text; filled boolean;
				BEGIN
					FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
						EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO filled;
						IF filled THEN
							EXECUTE format('CREATE TABLE pgtest.%I AS SELECT * FROM public.%I', 'rows of ' || name, name);
						END IF;
					END LOOP;
				END $$;
			CREATE TABLE pgtest.shape AS SELECT (`+shape+`) AS was`, pgx.QueryExecModeSimpleProtocol)
		return err
	})
}

// reset brings a database back to what [remember] has kept, and reports whether that was enough.
func reset(ctx context.Context, url string) (same bool, err error) {
	err = in(ctx, url, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`); err != nil {
			return err
		}
		var now string
		if err := conn.QueryRow(ctx, shape).Scan(&now); err != nil {
			return err
		}
		if err := conn.QueryRow(ctx, "SELECT was = $1 FROM pgtest.shape", now).Scan(&same); err != nil || !same {
			return err
		}
		_, err := conn.Exec(ctx, `SET session_replication_role = replica;
			DO $$
				DECLARE name text; s record;
				BEGIN
					FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
						EXECUTE format('DELETE FROM public.%I', name);
					END LOOP;
					FOR name IN SELECT substr(tablename, 9) FROM pg_tables WHERE schemaname = 'pgtest' AND tablename LIKE 'rows of %' LOOP
						EXECUTE format('INSERT INTO public.%I OVERRIDING SYSTEM VALUE SELECT * FROM pgtest.%I', name, 'rows of ' || name);
					END LOOP;
					FOR s IN SELECT * FROM pgtest.sequences LOOP
						PERFORM setval(format('public.%I', s.sequencename), coalesce(s.last_value, s.start_value), s.last_value IS NOT NULL);
					END LOOP;
				END $$`, pgx.QueryExecModeSimpleProtocol)
		return err
	})
	return same, err
}

func in(ctx context.Context, url string, run func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(run(conn), conn.Close(ctx))
}
