-- Under which secret key the values are that are wrapped: one row, from the first start on.
CREATE TABLE vault (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    key_id   TEXT NOT NULL
);
