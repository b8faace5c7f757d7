-- A profile is a set of keys. Those of before have one each, whose secret half is locked with a password.
CREATE TABLE profile_keys (
    profile         TEXT COLLATE "C" NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    fingerprint     TEXT COLLATE "C" NOT NULL UNIQUE,
    -- Public.
    recipient       TEXT NOT NULL,
    -- The secret key under a password that the server never sees; NULL where only a recovery kit holds it.
    locked          TEXT,
    state           TEXT NOT NULL CHECK (state IN ('pending', 'active', 'retired')),
    -- When somebody opened the saved kit again.
    kit_verified_at TEXT COLLATE "C",
    created_at      TEXT COLLATE "C" NOT NULL,
    retired_at      TEXT COLLATE "C",
    PRIMARY KEY (profile, fingerprint)
);

INSERT INTO profile_keys (profile, fingerprint, recipient, locked, state, created_at)
SELECT id, fingerprint, recipient, locked, 'active', created_at FROM profiles;

ALTER TABLE profiles DROP COLUMN fingerprint, DROP COLUMN recipient, DROP COLUMN locked;
