DROP TABLE token_services;
DROP TABLE service_admissions;
DROP TABLE services;
