/** The moment at which the clock of the database stands still, and at which every schedule begins: after any real one. */
export const STILL = Date.UTC(2100, 0, 1)

export const CLOCK_HEADER = 'torture-now'

/**
 * `now()` of a migrated database that stands still. The statements of Keyturn find this one first, as they are:
 * `pg_catalog` comes before the other schemas only where the path does not name it. Defaults of columns found the other one
 * when they were made, and what the sweeper met with such a date would be decades old.
 */
export const STAND_STILL = (database: string) => `
  CREATE SCHEMA torture;
  CREATE FUNCTION torture.now() RETURNS timestamptz LANGUAGE sql IMMUTABLE
    RETURN '${new Date(STILL).toISOString()}'::timestamptz;
  ALTER DATABASE ${database} SET search_path = torture, pg_catalog, public;
  DO $$ DECLARE found record; BEGIN
    FOR found IN SELECT table_schema, table_name, column_name FROM information_schema.columns
                 WHERE table_schema = 'public' AND column_default LIKE '%now()%' LOOP
      EXECUTE format('ALTER TABLE %I.%I ALTER COLUMN %I SET DEFAULT torture.now()',
                     found.table_schema, found.table_name, found.column_name);
    END LOOP;
  END $$`
