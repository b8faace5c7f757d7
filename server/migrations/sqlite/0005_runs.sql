-- What is done in the background, of a job or by hand, is a run; a job is what is configured.
ALTER TABLE jobs RENAME TO runs;
