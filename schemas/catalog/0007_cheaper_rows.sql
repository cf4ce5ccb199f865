-- Two things that cost each row as much as all the rest. A list of more than two values in a CHECK is a table that
-- SQLite builds anew for every row: a CASE says the same. And a mark that a trigger sets is no change to be marked anew.
-- The rows stay as they are: the text is changed in the schema, the way SQLite's own pages on ALTER TABLE have it.

PRAGMA writable_schema = ON;

UPDATE sqlite_schema SET sql = replace(sql,
    '(verdict IN (''clean'', ''pending'', ''error'', ''partial'', ''encrypted'', ''suspicious'', ''infected''))',
    '(CASE verdict WHEN ''clean'' THEN 1 WHEN ''pending'' THEN 1 WHEN ''error'' THEN 1 WHEN ''partial'' THEN 1
                      WHEN ''encrypted'' THEN 1 WHEN ''suspicious'' THEN 1 WHEN ''infected'' THEN 1 ELSE 0 END)')
WHERE type = 'table' AND name = 'message';

UPDATE sqlite_schema SET sql = replace(sql,
    '(fate IN (''kept'', ''duplicate'', ''oversize'', ''failed'', ''interrupted'', ''deferred'', ''vanished''))',
    '(CASE fate WHEN ''kept'' THEN 1 WHEN ''duplicate'' THEN 1 WHEN ''oversize'' THEN 1 WHEN ''failed'' THEN 1
                         WHEN ''interrupted'' THEN 1 WHEN ''deferred'' THEN 1 WHEN ''vanished'' THEN 1 ELSE 0 END)')
WHERE type = 'table' AND name = 'sighting';

UPDATE sqlite_schema SET sql = replace(sql, ' AFTER UPDATE ON ' || tbl_name || ' BEGIN',
    ' AFTER UPDATE ON ' || tbl_name || ' WHEN NEW.mark IS OLD.mark BEGIN')
WHERE type = 'trigger' AND name = tbl_name || '_is_marked_anew';

PRAGMA writable_schema = RESET;
