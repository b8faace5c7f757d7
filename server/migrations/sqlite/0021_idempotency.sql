-- Actions that were asked for with a key of the client's, so that asking again does nothing twice.
CREATE TABLE idempotency_keys (
    user_id    TEXT NOT NULL,
    key        TEXT NOT NULL,
    -- SHA-256 of method, path and body.
    request    TEXT NOT NULL,
    -- HTTP's status and the body; NULL until there is an answer.
    status     INTEGER,
    body       TEXT,
    created_at TEXT NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT;

CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);
