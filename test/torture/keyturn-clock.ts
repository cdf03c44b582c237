/** The moment at which the clock of the database stands still, and at which every schedule begins: after any real one. */
export const STILL = Date.UTC(2100, 0, 1)

export const CLOCK_HEADER = 'torture-now'

/**
 * `now()` of a database that stands still. The statements of Keyturn find this one first, as they are: `pg_catalog`
 * comes before the other schemas only where the path does not name it.
 */
export const STAND_STILL = (database: string) => `
  CREATE SCHEMA torture;
  CREATE FUNCTION torture.now() RETURNS timestamptz LANGUAGE sql IMMUTABLE
    RETURN '${new Date(STILL).toISOString()}'::timestamptz;
  ALTER DATABASE ${database} SET search_path = torture, pg_catalog, public`
