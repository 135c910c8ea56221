-- The SQL side of trails_abuse.so; the tests put its path in place of :'library'.

CREATE FUNCTION abuse_throw(what text, side text) RETURNS void
    AS :'library', 'abuse_throw' LANGUAGE C STRICT;

CREATE FUNCTION abuse_work(seconds float8, heeds_finish boolean) RETURNS text
    AS :'library', 'abuse_work' LANGUAGE C STRICT;

CREATE FUNCTION abuse_rss_kb() RETURNS bigint
    AS :'library', 'abuse_rss_kb' LANGUAGE C STRICT;

CREATE FUNCTION abuse_threads() RETURNS integer
    AS :'library', 'abuse_threads' LANGUAGE C STRICT;

CREATE FUNCTION abuse_memory_limit() RETURNS bigint
    AS :'library', 'abuse_memory_limit' LANGUAGE C STRICT;

CREATE FUNCTION abuse_progress(
    OUT pid integer, OUT role oid, OUT relation oid, OUT phase text,
    OUT rows_read bigint, OUT scored bigint, OUT trained bigint, OUT rung bigint,
    OUT epochs bigint, OUT best float8, OUT elapsed float8, OUT budget float8) RETURNS SETOF record
    AS :'library', 'trails_progress' LANGUAGE C STRICT;

CREATE FUNCTION abuse_read(
    relation regclass, target text DEFAULT NULL, features text[] DEFAULT NULL,
    exclude text[] DEFAULT NULL, split text DEFAULT NULL, group_by text DEFAULT NULL,
    memory_limit bigint DEFAULT NULL, read_for_ms integer DEFAULT NULL,
    show boolean DEFAULT false) RETURNS text
    AS :'library', 'abuse_read' LANGUAGE C;

CREATE FUNCTION abuse_inputs(relation regclass, names text[], kinds text[]) RETURNS text
    AS :'library', 'abuse_inputs' LANGUAGE C STRICT;

CREATE FUNCTION abuse_record(r record, names text[], kinds text[]) RETURNS text
    AS :'library', 'abuse_record' LANGUAGE C STRICT;

CREATE FUNCTION abuse_record_time(r record, names text[], kinds text[], times integer) RETURNS float8
    AS :'library', 'abuse_record_time' LANGUAGE C STRICT;

CREATE FUNCTION abuse_past(
    relation regclass, target text, space text, widths integer[], min_layers integer,
    max_layers integer) RETURNS text
    AS :'library', 'abuse_past' LANGUAGE C STRICT;

CREATE FUNCTION abuse_missing_row(value text) RETURNS text
    AS :'library', 'abuse_missing_row' LANGUAGE C STRICT;

CREATE FUNCTION abuse_null_inside() RETURNS text
    AS :'library', 'abuse_null_inside' LANGUAGE C STRICT;

CREATE FUNCTION abuse_caller() RETURNS text
    AS :'library', 'abuse_caller' LANGUAGE C STRICT;
