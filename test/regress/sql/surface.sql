-- What the extension makes, and that it all goes with it.
SELECT (SELECT count(*) FROM pg_class) + (SELECT count(*) FROM pg_proc) + (SELECT count(*) FROM pg_type)
       + (SELECT count(*) FROM pg_policy) + (SELECT count(*) FROM pg_namespace)
       + (SELECT count(*) FROM pg_rewrite) + (SELECT count(*) FROM pg_init_privs)
       + (SELECT count(*) FROM pg_description) + (SELECT count(*) FROM pg_depend) AS before \gset
CREATE EXTENSION trails;

\pset format unaligned
-- functions: arguments, result, volatility and parallel safety
SELECT p.proname AS function, pg_get_function_arguments(p.oid) AS arguments,
       pg_get_function_result(p.oid) AS result, p.provolatile AS volatile, p.proparallel AS parallel
FROM pg_proc AS p WHERE pronamespace = 'trails'::regnamespace ORDER BY 1, 2 \gx

-- nobody runs with more rights than they have
SELECT count(*) AS security_definers
FROM pg_proc WHERE pronamespace = 'trails'::regnamespace AND prosecdef;

-- relations and their columns
SELECT c.relname AS relation, c.relkind AS kind, c.relrowsecurity AS row_security,
       string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', '
                  ORDER BY a.attnum) AS columns
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'trails'::regnamespace AND c.relkind IN ('r', 'v')
GROUP BY c.oid ORDER BY 1 \gx

\pset format aligned
-- everybody may look, nobody but the owner may write
SELECT c.relname AS relation, privilege_type AS public_may
FROM pg_class AS c, aclexplode(c.relacl)
WHERE c.relnamespace = 'trails'::regnamespace AND grantee = 0 ORDER BY 1, 2;

-- what has no comment (nothing)
SELECT 'function ' || p.oid::regprocedure AS without_comment
FROM pg_proc AS p WHERE pronamespace = 'trails'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
UNION ALL
SELECT 'relation ' || c.oid::regclass
FROM pg_class AS c WHERE relnamespace = 'trails'::regnamespace AND relkind IN ('r', 'v')
      AND obj_description(c.oid, 'pg_class') IS NULL
UNION ALL
SELECT 'column ' || c.oid::regclass || '.' || a.attname
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE relnamespace = 'trails'::regnamespace AND relkind IN ('r', 'v')
      AND col_description(c.oid, a.attnum) IS NULL;

-- what pg_dump would leave out (nothing but the cache): every table and every sequence is marked
SELECT c.oid::regclass AS not_dumped
FROM pg_class AS c
WHERE relnamespace = 'trails'::regnamespace AND relkind IN ('r', 'S') AND relpersistence = 'p'
      AND c.oid <> ALL (SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'trails');

SELECT name, kind, widths, min_layers, max_layers, owner FROM trails.search_space ORDER BY space_id;

-- settings exist once the library is loaded; others with the prefix are refused
SELECT count(*) AS progress_rows FROM trails.progress;
SELECT name, context FROM pg_settings WHERE name LIKE 'trails.%' ORDER BY name;
SET trails.no_such_setting = 1;

-- LibTorch is not opened for any of this
SELECT count(*) AS runs FROM trails.runs;
SELECT maps ~ '/trails[.]so' AS trails_is_mapped, maps ~ 'libtorch|trails_engine' AS torch_is_mapped
FROM pg_read_file('/proc/self/maps') AS maps;

DROP EXTENSION trails;
SELECT (SELECT count(*) FROM pg_class) + (SELECT count(*) FROM pg_proc) + (SELECT count(*) FROM pg_type)
       + (SELECT count(*) FROM pg_policy) + (SELECT count(*) FROM pg_namespace)
       + (SELECT count(*) FROM pg_rewrite) + (SELECT count(*) FROM pg_init_privs)
       + (SELECT count(*) FROM pg_description) + (SELECT count(*) FROM pg_depend) - :before AS objects_left;
