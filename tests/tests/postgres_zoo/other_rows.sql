-- What the target holds before: other rows, sequences elsewhere, keys in the same state.
INSERT INTO every_type (v_text) VALUES ('old');
INSERT INTO invoices (net, note) VALUES (9, 'old');
INSERT INTO teams VALUES (9, NULL);
INSERT INTO people VALUES (9, NULL, 9);
INSERT INTO badges VALUES (9, 9, NULL, NULL);
INSERT INTO legacy VALUES (9), (405);
ALTER TABLE legacy ADD CONSTRAINT loose FOREIGN KEY (person) REFERENCES people NOT VALID;
INSERT INTO ruled VALUES (9, 'nine');
CREATE RULE swallow AS ON INSERT TO ruled DO INSTEAD NOTHING;
INSERT INTO events (at, body, person) VALUES ('2025-05-05', 'old', 9), ('1999-01-01', 'older', NULL);
INSERT INTO event_marks SELECT id, at FROM events;
INSERT INTO animals VALUES ('old');
INSERT INTO dogs VALUES ('old', 'old');
INSERT INTO left_half SELECT FROM generate_series(1, 3);
SELECT setval('free_numbers', 1000);
INSERT INTO cache VALUES ('kept');
INSERT INTO attic.elsewhere VALUES (2);
INSERT INTO _sqlx_migrations VALUES (20250404, 'the target''s own', now(), true, '\x00', 1);
