-- What a peer says of how sure a value is: percent, and in the value's own unit.
ALTER TABLE readings ADD COLUMN confidence INTEGER;
ALTER TABLE readings ADD COLUMN accuracy REAL;
