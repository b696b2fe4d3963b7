mod users_current;
