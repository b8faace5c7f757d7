INSERT INTO every_type DEFAULT VALUES;
INSERT INTO every_type VALUES (DEFAULT,
    true, -32768, -2147483648, -9223372036854775808, 'NaN', 123456789.125,
    '1e-45', '5e-324', '-92233720368547758.08',
    E'\\N\t\n\r\b\f\v\\ \\. "''', 'Größe 漢字 🐙', 'ab', 'name', 'x', '\x00ff5c0a',
    'infinity', '24:00', '23:59:59.999999-12', '-infinity', '0044-03-15 00:00:00+00 BC', '-1 year 2 days -00:00:00.000001',
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"b" : 1, "a":  "\u00e9", "b": 2}', '{"b": 1e400, "a": [null, "\\N"]}', '<a>ä</a> text',
    '10.1.2.3/8', '2001:db8::/32', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
    '(0.1,-1e300)', '{1,2,3}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(0,0),0.3>',
    '10101', '101', 'a:1A ''b c'':2', 'a & !''b c''',
    '{1,NULL,-3}', '{{"a,b",NULL},{"NULL","\\\""}}', '[1,)', '(,"2025-01-01 00:00:00+00"]', '{[1,3),[5,)}',
    'it''s ok', '{sad,"it''s ok",NULL}', 'a@b', '(1,"x ""y"", \\z")', '{"(,)","(1,)"}',
    4294967295, '16/B374D848', 'every_type');
INSERT INTO every_type (v_numeric, v_real, v_double, v_text, v_bytea, v_interval, v_timestamptz) VALUES
    ('Infinity', 'NaN', '-0', '', '', '178000000 years', '2025-06-01 12:00:00.123456+02'),
    ('-Infinity', '-Infinity', 0.1, '\N', '\x', '3 mons', 'infinity'),
    (1e1000, 3.4028235e38, 1.7976931348623157e308, '\.', repeat('\x5c', 1)::bytea, '00:00', 'epoch'),
    (1e-1000, 0.1, 'Infinity', repeat('längerer Text ', 20000), decode(repeat('00ff', 40000), 'hex'), NULL, NULL);
INSERT INTO every_type (v_int4, v_text) SELECT n, md5(n::text) || repeat('x', n % 97) FROM generate_series(1, 60000) n;

INSERT INTO more_types VALUES
    ('Großes', '"a key"=>"a \"value\"", n=>NULL, "ä,=>"=>""', '[-2:0]={1,NULL,3}', '[0:1][5:6]={{a,"b c"},{NULL,""}}',
     'null', ARRAY['null', NULL, '{"a": null}']::jsonb[], '$."a b"[*] ? (@.x > 1)',
     'a@b', 9007199254740993, '{"(1,x)",NULL}', '("(1,""a,b"")","{sad,NULL}",x@y)', '{"(,,)",NULL}',
     '[2025-01-01,infinity)', '{[-infinity,2025-01-01),[2025-02-01,2025-02-02)}',
     '10:20:10,14,15', '18446744073709551615', '(0,1)', 'public.plain_word(text)', 'public.mood', 'app=r/app', '1 2 3',
     '{infinity,-infinity,NULL,"0001-01-01 00:00:00+00 BC"}', '{(1,1),(0,0);(3,3),(2,2)}', '{NaN,Infinity,-Infinity,1e-30}',
     '-1 mon +2 days 00:00:00.1239', '294276-12-31 23:59:59', '{a,"b ",NULL}'),
    ('grosses', '', '{}', '{{{a}}}', NULL, '{}', 'strict $', NULL, NULL, '{}', NULL, '{}', 'empty', '{}',
     NULL, '0', NULL, NULL, NULL, NULL, '', NULL, '{}', '{}', '1 year', 'epoch', '{}');
INSERT INTO t VALUES ('t', 'T', 1, 2, 3), (E'\\.', '', NULL, NULL, NULL);
INSERT INTO bookings (days) VALUES ('[1,3)'), ('[3,5)'), ('empty'), (NULL), ('[9,)');
INSERT INTO prices VALUES (-1), (NULL), (7);
ALTER TABLE prices ADD CONSTRAINT positive_price CHECK (price > 0) NOT VALID;
COMMENT ON CONSTRAINT positive_price ON prices IS 'since 2025';
INSERT INTO words VALUES ('one'), ('two'), ('three');
INSERT INTO labels VALUES (' Eins '), ('ZWEI'), (NULL);
INSERT INTO half_logged VALUES (1), (2), (3);
INSERT INTO domain_fed DEFAULT VALUES;
INSERT INTO domain_fed VALUES (700);
INSERT INTO rounds SELECT FROM generate_series(1, 3);
INSERT INTO "Größe ""x"" 漢字" ("tab	bed", "select") VALUES ('a', 1), (NULL, NULL), (E'x\ty', 3);
INSERT INTO invoices (net, note) VALUES (1.10, 'a'), (2.20, NULL), (3, 'c');
BEGIN;
ALTER TABLE people DISABLE TRIGGER USER;
INSERT INTO teams VALUES (1, 2), (2, NULL);
INSERT INTO people VALUES (1, 1, 1), (2, 1, 1), (3, 2, NULL);
COMMIT;
INSERT INTO badges VALUES (1, 1, 1, 1.10), (3, 2, NULL, NULL);
INSERT INTO legacy VALUES (1), (404);
ALTER TABLE legacy ADD CONSTRAINT loose FOREIGN KEY (person) REFERENCES people NOT VALID;
ALTER TABLE notes DISABLE TRIGGER USER;
INSERT INTO notes VALUES (1, 'as it was'), (2, NULL);
ALTER TABLE notes ENABLE TRIGGER t_origin;
ALTER TABLE notes ENABLE TRIGGER t_truncate;
ALTER TABLE notes ENABLE ALWAYS TRIGGER t_always;
ALTER TABLE notes ENABLE REPLICA TRIGGER t_replica;
INSERT INTO ruled VALUES (1, 'one'), (2, 'two');
CREATE RULE swallow AS ON INSERT TO ruled DO INSTEAD NOTHING;
INSERT INTO events (at, body, person) SELECT date '2024-12-01' + n, 'event ' || n, 1 + n % 3 FROM generate_series(0, 500, 10) n;
INSERT INTO event_marks SELECT id, at FROM events LIMIT 3;
INSERT INTO animals VALUES ('generic');
INSERT INTO dogs VALUES ('Rex', 'Dackel'), ('generic', NULL);
INSERT INTO left_half SELECT FROM generate_series(1, 5);
INSERT INTO right_half SELECT FROM generate_series(1, 2);
INSERT INTO downwards SELECT FROM generate_series(1, 4);
INSERT INTO codes SELECT FROM generate_series(1, 3);
SELECT nextval('free_numbers') FROM generate_series(1, 9);
INSERT INTO cache VALUES ('lost');
INSERT INTO attic.elsewhere VALUES (1);
REFRESH MATERIALIZED VIEW teams_counted;
REFRESH MATERIALIZED VIEW a_last;
REFRESH MATERIALIZED VIEW words_counted;
INSERT INTO _sqlx_migrations VALUES (20250101, 'first', now(), true, '\x00', 1), (20250202, 'second', now(), true, '\x00', 1),
    (20250303, 'failed', now(), false, '\x00', 1);
