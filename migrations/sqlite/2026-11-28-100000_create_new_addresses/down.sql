DROP TABLE new_addresses;
