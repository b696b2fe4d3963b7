DROP INDEX users_login_natural;
