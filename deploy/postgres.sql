-- A role and a database for Headsup, made by a superuser:
--
--     psql -U postgres -f deploy/postgres.sql
--
-- Change the password first. The role owns its database, since the program makes its own tables, and has no other rights;
-- nobody else may connect there.

CREATE ROLE headsup LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD 'change me';

CREATE DATABASE headsup OWNER headsup;

REVOKE ALL ON DATABASE headsup FROM PUBLIC;
