CREATE TABLE tickets (
    id            INTEGER PRIMARY KEY,
    reference     TEXT GENERATED ALWAYS AS (printf('LIH-%05d', id)) VIRTUAL,
    customer_id   INTEGER NOT NULL REFERENCES customers (id),
    team_id       INTEGER NOT NULL REFERENCES teams (id),
    assignee_id   INTEGER REFERENCES agents (id) ON DELETE SET NULL,
    merged_into   INTEGER REFERENCES tickets (id) DEFERRABLE INITIALLY DEFERRED,
    subject       TEXT NOT NULL,
    status        TEXT NOT NULL CHECK (status IN ('new', 'open', 'waiting', 'solved', 'merged')),
    priority      INTEGER NOT NULL DEFAULT 2 CHECK (priority BETWEEN 1 AND 4),
    satisfaction  REAL,
    custom_fields TEXT CHECK (custom_fields IS NULL OR json_valid(custom_fields)),
    -- Lets a guest read the ticket by a link, without an account.
    access_token  TEXT UNIQUE,
    created_at    TEXT NOT NULL,
    closed_at     TEXT,
    is_open       INTEGER NOT NULL GENERATED ALWAYS AS (closed_at IS NULL) STORED,
    CHECK ((merged_into IS NOT NULL) = (status = 'merged'))
);

CREATE INDEX tickets_open ON tickets (is_open, priority);
CREATE INDEX tickets_by_customer ON tickets (customer_id);

CREATE TABLE messages (
    id          INTEGER PRIMARY KEY,
    ticket_id   INTEGER NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    -- Of the two authors, exactly one is known.
    agent_id    INTEGER REFERENCES agents (id),
    customer_id INTEGER REFERENCES customers (id),
    internal    INTEGER NOT NULL DEFAULT 0 CHECK (internal IN (0, 1)),
    body        TEXT NOT NULL,
    sent_at     TEXT NOT NULL,
    CHECK ((agent_id IS NULL) <> (customer_id IS NULL))
);

CREATE INDEX messages_by_ticket ON messages (ticket_id, sent_at);

CREATE TABLE attachments (
    id         INTEGER PRIMARY KEY,
    message_id INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    -- Below the folder for uploads.
    path       TEXT NOT NULL UNIQUE,
    media_type TEXT NOT NULL,
    size       INTEGER NOT NULL,
    sha256     TEXT NOT NULL CHECK (length(sha256) = 64),
    thumbnail  BLOB
);

CREATE TABLE tags (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    colour TEXT
);

CREATE TABLE ticket_tags (
    ticket_id INTEGER NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    tag_id    INTEGER NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    PRIMARY KEY (ticket_id, tag_id)
) WITHOUT ROWID;
