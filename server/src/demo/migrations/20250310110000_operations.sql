-- A value is whatever its key needs: number, text, bytes or nothing.
CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value
);

CREATE TABLE mailboxes (
    id            INTEGER PRIMARY KEY,
    address       TEXT NOT NULL UNIQUE,
    imap_host     TEXT NOT NULL,
    imap_password TEXT NOT NULL,
    team_id       INTEGER NOT NULL REFERENCES teams (id)
);

CREATE TABLE webhooks (
    id             INTEGER PRIMARY KEY,
    url            TEXT NOT NULL,
    signing_secret TEXT NOT NULL,
    last_error     TEXT
);

CREATE TABLE audit_log (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    agent_id INTEGER REFERENCES agents (id) ON DELETE SET NULL,
    action   TEXT NOT NULL,
    detail   TEXT,
    ip       TEXT,
    at       TEXT NOT NULL
);

CREATE VIEW open_tickets AS
SELECT t.reference, t.subject, c.name AS customer, t.priority, t.created_at
FROM tickets AS t JOIN customers AS c ON c.id = t.customer_id
WHERE t.is_open;

CREATE TRIGGER tickets_status_logged AFTER UPDATE OF status ON tickets
WHEN old.status <> new.status
BEGIN
    INSERT INTO audit_log (agent_id, action, detail, at)
    VALUES (new.assignee_id, 'ticket.status', json_object('ticket', new.id, 'from', old.status, 'to', new.status),
            strftime('%Y-%m-%dT%H:%M:%SZ', 'now'));
END;
