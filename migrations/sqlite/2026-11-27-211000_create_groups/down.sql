DROP TABLE service_group_admissions;
DROP TABLE group_members;
DROP TABLE groups;
