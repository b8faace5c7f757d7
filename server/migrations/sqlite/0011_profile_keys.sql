-- A profile is a set of keys. Those of before have one each, whose secret half is locked with a password.
ALTER TABLE profiles RENAME TO profiles_of_one;

CREATE TABLE profiles (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL
) STRICT;

INSERT INTO profiles (id, name, created_at) SELECT id, name, created_at FROM profiles_of_one;

CREATE TABLE profile_keys (
    profile         TEXT NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    fingerprint     TEXT NOT NULL UNIQUE,
    -- Public.
    recipient       TEXT NOT NULL,
    -- The secret key under a password that the server never sees; NULL where only a recovery kit holds it.
    locked          TEXT,
    state           TEXT NOT NULL CHECK (state IN ('pending', 'active', 'retired')),
    -- When somebody opened the saved kit again.
    kit_verified_at TEXT,
    created_at      TEXT NOT NULL,
    retired_at      TEXT,
    PRIMARY KEY (profile, fingerprint)
) STRICT;

INSERT INTO profile_keys (profile, fingerprint, recipient, locked, state, created_at)
SELECT id, fingerprint, recipient, locked, 'active', created_at FROM profiles_of_one;

DROP TABLE profiles_of_one;
