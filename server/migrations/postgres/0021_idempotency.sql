-- Actions that were asked for with a key of the client's, so that asking again does nothing twice.
CREATE TABLE idempotency_keys (
    user_id    TEXT COLLATE "C" NOT NULL,
    key        TEXT COLLATE "C" NOT NULL,
    -- SHA-256 of method, path and body.
    request    TEXT NOT NULL,
    -- HTTP's status and the body; NULL until there is an answer.
    status     BIGINT,
    body       TEXT,
    created_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, key)
);

CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);
