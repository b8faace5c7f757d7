DO $$ DECLARE c record; BEGIN
    FOR c IN SELECT table_name, column_name, data_type, udt_name FROM information_schema.columns
              WHERE table_schema = 'public' AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO' LOOP
        EXECUTE format('ALTER TABLE %I ALTER %I SET DEFAULT %s', c.table_name, c.column_name, CASE
            WHEN c.data_type = 'boolean' THEN 'false'
            WHEN c.data_type IN ('integer', 'bigint', 'double precision') THEN '0'
            WHEN c.data_type = 'date' THEN '''2026-03-02'''
            WHEN c.data_type = 'ARRAY' THEN '''{}'''
            WHEN c.data_type LIKE 'timestamp%' THEN '''2026-03-02 09:00:00'''
            WHEN c.data_type LIKE 'json%' THEN '''[]'''
            WHEN c.data_type = 'USER-DEFINED' THEN format('(enum_range(NULL::%I))[1]', c.udt_name)
            ELSE '''x''' END);
    END LOOP; END $$
