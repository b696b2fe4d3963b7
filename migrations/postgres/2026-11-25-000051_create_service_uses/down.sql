DROP TABLE service_use_counts;
DROP TABLE service_uses;
