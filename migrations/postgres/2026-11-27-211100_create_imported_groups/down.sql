DROP TABLE imported_group_members;
DROP TABLE imported_groups;
