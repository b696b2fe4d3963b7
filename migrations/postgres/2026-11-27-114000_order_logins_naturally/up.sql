-- People are listed by login as people count, user2 before user10: by what stands before the first number, by the
-- number, and by the rest. The expressions are those of src/models/people/order.rs, or no list uses the index.
CREATE INDEX users_login_natural ON users (
    (substr(lower(login), 1, length(lower(login)) - length(ltrim(lower(login), 'abcdefghijklmnopqrstuvwxyz_@.-')))),
    (length(ltrim(substr(ltrim(lower(login), 'abcdefghijklmnopqrstuvwxyz_@.-'), 1, length(ltrim(lower(login), 'abcdefghijklmnopqrstuvwxyz_@.-')) - length(ltrim(ltrim(lower(login), 'abcdefghijklmnopqrstuvwxyz_@.-'), '0123456789'))), '0'))),
    (ltrim(substr(ltrim(lower(login), 'abcdefghijklmnopqrstuvwxyz_@.-'), 1, length(ltrim(lower(login), 'abcdefghijklmnopqrstuvwxyz_@.-')) - length(ltrim(ltrim(lower(login), 'abcdefghijklmnopqrstuvwxyz_@.-'), '0123456789'))), '0')),
    (lower(login))
);
