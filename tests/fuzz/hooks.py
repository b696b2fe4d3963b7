"""What Schemathesis cannot know of a Latchkey."""

import datetime
import itertools
import json
import os
import re
from urllib.parse import quote

import schemathesis
from schemathesis.transport.requests import REQUESTS_TRANSPORT

OWN_ID = os.environ["OWN_ID"]
OWN_KEYS = os.environ["OWN_KEYS"].split()
# A service account of the administrator's, and its keys: half of them stay.
ACCOUNT = os.environ["ACCOUNT"]
ACCOUNTS_KEYS = os.environ["ACCOUNTS_KEYS"].split()
SPARE_KEYS = iter(os.environ["SPARE_KEYS"].split())
numbers = itertools.count()

# Times as RFC 3339 allows them, which databases and languages do not agree about.
TIMES = [
    "2090-12-31T23:59:60Z",
    "2090-12-31T23:59:60.999999999Z",
    "2091-01-01T00:59:60+01:00",
    "2090-12-31t10:00:00.1234567891234z",
    "2090-12-31T23:30:00-23:59",
    "2090-01-01T00:00:00.0000001+23:59",
    "2088-02-29",
]
# What is asked of the whole of a request, or of each item of it.
NAMES = ["a " * 5, "a " * 11, "a " * 2000, "a " * 8200, "a" * 300, "a" * 50_000, "%_\\ " * 60, "\u3000a" * 9]
REPEATED = [1, 2, 100, 1500]


@schemathesis.hook
def filter_case(context, case):
    """Leaves the account alone by whose keys it all happens, and those: it would soon be no administrator's."""
    about = str((case.path_parameters or {}).get("id"))
    if case.path.startswith(("/admin/services", "/admin/groups")):
        # Half of them stay, too.
        return not (case.method == "DELETE" and about[-1:] in "02468")
    if not case.path.startswith("/my/tokens"):
        return about not in (OWN_ID, ACCOUNT)
    # Half of the keys stay, so that there is something to look at.
    is_to_stay = case.method == "DELETE" and about[-1:] in "02468"
    return about not in OWN_KEYS and not is_to_stay


@schemathesis.hook
def map_case(context, case):
    """Sends each from an address of its own: after ten wrong passwords from one the answer is 429, not 401."""
    number = next(numbers)
    case.headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    for name, value in (case.path_parameters or {}).items():
        # An address with a percent escape is none of the API's.
        if quote(str(value), safe="") != str(value):
            case.path_parameters[name] = f"x{number}"
    if case.path == "/my/tokens/{id}.json" and case.method == "PATCH" and case.meta.generation.mode.is_positive and number % 4:
        # One of those that stay.
        case.path_parameters["id"] = 4 + 2 * (number % 13)
    if case.path.startswith("/users/{id}") and case.method == "PUT" and case.meta.generation.mode.is_positive:
        # One of those that stay.
        case.path_parameters["id"] = 6 + 2 * (number % 12)
    if case.path.startswith("/my/service-accounts/") and case.meta.generation.mode.is_positive and number % 8:
        case.path_parameters["service_account"] = ACCOUNT
        if "id" in case.path_parameters:
            half = len(ACCOUNTS_KEYS) // 2
            case.path_parameters["id"] = ACCOUNTS_KEYS[number % half + (half if case.method == "DELETE" else 0)]
    if case.path.startswith("/admin/keys/") and isinstance(case.body, dict):
        keep_keys(case.body)
        if case.meta.generation.mode.is_positive and number % 4:
            keep_networks(case.body, number)
    if case.meta.generation.mode.is_positive and isinstance(case.body, dict) and number % 4:
        if case.path.startswith(("/my/tokens", "/my/service-accounts")):
            keep_rules_of_keys(case.body, number)
        elif case.path.startswith("/admin/services"):
            keep_rules_of_services(case.body, number)
        elif case.path.startswith("/admin/groups"):
            keep_rules_of_groups(case.body, number)
        else:
            keep_rules(case.body.get("user", case.body), number)
    if case.path.startswith("/users.") and case.method == "GET" and number % 2:
        case.query = {**(case.query or {}), "name": NAMES[number // 2 % len(NAMES)]}
    if case.path.startswith("/admin/keys.") and case.meta.generation.mode.is_positive and number % 4:
        case.query = rules_of_key_lists_kept(case.query or {}, number)
    if case.path == "/my/tokens.json" and case.method == "GET" and case.meta.generation.mode.is_positive:
        filters = [name for name in ("unused_since", "expires_before") if name in (case.query or {})]
        case.query = {**(case.query or {}), **dict.fromkeys(filters, TIMES[number % len(TIMES)])}
    is_to_stay = str((case.path_parameters or {}).get("id"))[-1:] in "02468"
    if case.method == "DELETE" and case.path.startswith("/users") and (number % 8 or is_to_stay):
        # Most people stay, half of them always, so that there is somebody to ask about.
        case.query = {"lock": "lock"}
    if case.path.startswith(("/my/tokens", "/admin/services", "/admin/groups")) and number % 4:
        # The others have no keys, and make none like that.
        case.headers.pop("X-Redmine-Switch-User", None)
    return case


# Redmine's parameters that /openapi.json does not have, as they mean nothing here or are refused.
REDMINES = [
    {"group_id": "7"},
    {"nometa": "1"},
    {"f[]": "status", "op[status]": "=", "v[status][]": "3"},
    {"f[]": "shoe_size"},
    {"c[]": "login", "per_page": "5", "set_filter": "1"},
    {"sort": "lastname:desc,id"},
    {"include": "groups,memberships,auth_source"},
    {"user[mail_notification]": "all", "pref[hide_mail]": "1"},
]


@schemathesis.hook
def map_query(context, query):
    """Adds what Redmine's clients send, to every third request about people."""
    number = next(numbers)
    if number % 3 == 0 and is_about_people(context.operation.path):
        query = {**(query or {}), **REDMINES[number // 3 % len(REDMINES)]}
    return query


def is_about_people(path):
    return path.startswith(("/users", "/my/account"))


def written_by(serializer, encodings):
    """A serializer that writes what is about people in each of the encodings by turns."""

    def write(context, value):
        written = serializer(context, value)
        encoding = encodings[next(numbers) % len(encodings)]
        if "json" in written and is_about_people(context.case.path):
            written = {"data": json.dumps(written["json"], ensure_ascii=False).encode(encoding, "surrogatepass")}
        elif isinstance(written.get("data"), bytes) and is_about_people(context.case.path):
            written = {**written, "data": recoded(written["data"], encoding)}
        return written

    return write


def recoded(document, encoding):
    """The document in another encoding, if it has the characters."""
    try:
        declaration = f'<?xml version="1.0" encoding="{encoding}"?>' if encoding == "iso-8859-1" else ""
        return (declaration + document.decode()).encode(encoding)
    except UnicodeError:
        return document


for media_type, encodings in [
    ("application/json", ["utf-8", "utf-8-sig", "utf-16"]),
    ("application/xml", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"]),
]:
    _, serializer = REQUESTS_TRANSPORT.get_first_matching_media_type(media_type)
    REQUESTS_TRANSPORT.serializer(media_type)(written_by(serializer, encodings))


@schemathesis.hook
def before_call(context, case, kwargs):
    """Takes a key that nothing else needs where a key ends itself."""
    is_own = case.headers.get("X-Redmine-API-Key") == os.environ["API_KEY"]
    if case.method == "DELETE" and case.path == "/my/tokens/current.json" and is_own:
        case.headers["X-Redmine-API-Key"] = next(SPARE_KEYS)


@schemathesis.check
def times_can_be_read(context, response, case):
    """Every time of an answer is one of Python's, too: it knows no leap seconds, and four digits of a year."""
    for time in re.findall(r'"\w+_(?:on|until)":"([^"]*)"', response.text):
        try:
            datetime.datetime.fromisoformat(time)
        except ValueError as error:
            raise AssertionError(f"{time} cannot be read: {error}") from error


def keep_rules(person, number):
    """Makes most people that are right otherwise pass the rules that no schema has."""
    if not isinstance(person, dict):
        return
    if isinstance(person.get("password"), str):
        person["password"] = f"{number} words nobody knows {person['password']}"[:1024]
    for name, longest in [("firstname", 30), ("lastname", 255)]:
        if isinstance(person.get(name), str):
            person[name] = ascii(person[name])[:longest]
    if "password_confirmation" in person:
        person["password_confirmation"] = person.get("password", "")
    for name, longest in [("login", 60), ("mail", 254)]:
        if name in person:
            person[name] = f"{number}{person[name]}"[:longest]


def keep_rules_of_services(service, number):
    """The same with services: each lives somewhere else, and admits people who are there."""
    for name, right in [("name", f"s{number}"), ("host", f"h{number}.example.org"), ("path", f"/{number}")]:
        if isinstance(service.get(name), str):
            service[name] = right
    if isinstance(service.get("title"), str):
        service["title"] = f"Service {number}"
    for name in ["readers", "writers"]:
        if isinstance(service.get(name), list):
            service[name] = ["admin"] * REPEATED[number % len(REPEATED)]


def keep_rules_of_groups(group, number):
    """The same with groups: each has another name, and members who are there."""
    if isinstance(group.get("name"), str):
        group["name"] = f"Group {number}"
    for name, login in [("members", "admin"), ("add", "admin"), ("remove", f"user{number % 9 + 5}")]:
        if isinstance(group.get(name), list):
            group[name] = [login]


def rules_of_key_lists_kept(query, number):
    """The same query about people, services and times that are there. A cursor is given by the page before only."""
    right = {
        "owner": "admin",
        "scope": "users:read",
        "service": "open",
        "unused_since": TIMES[number % len(TIMES)],
        "expires_before": TIMES[number % len(TIMES)],
        "search": ["a b", NAMES[4]][number % 2],
        "sort": ["created_on", "last_used_on:desc", "expires_on:asc"][number % 3],
    }
    one_of_two = "never_used" if "unused_since" in query else ""
    contradicts = "verdict" if "never_used" in query else ""
    left_out = ("cursor", one_of_two, contradicts)
    return {name: right.get(name, value) for name, value in query.items() if name not in left_out}


def keep_keys(body):
    """Takes out the keys by which it all happens, and most of the others: there must be some to look at."""
    ids = body.get("ids")
    if isinstance(ids, list):
        is_to_go = lambda id: not isinstance(id, int) or id % 8 == 7 and str(id) not in OWN_KEYS
        body["ids"] = [id for id in ids if is_to_go(id)]


def keep_networks(body, number):
    """Makes most networks some, with the addresses that the fuzzer comes from."""
    if isinstance(body.get("networks"), list):
        body["networks"] = ["10.0.0.0/8", *(f"2001:db8:{at}::/48" for at in range(number % 50))]


def keep_rules_of_keys(key, number):
    """The same with keys: no text has control characters, a time is to come, few secrets work at a time, and of services
    there is one that offers scopes."""
    for name in ["name", "note"]:
        if isinstance(key.get(name), str):
            key[name] = ascii(key[name])[:100]
    if isinstance(key.get("scopes"), list):
        of_service = lambda scope: isinstance(scope, str) and scope.startswith("service:")
        key["scopes"] = ["service:open:read" if of_service(scope) else scope for scope in key["scopes"]]
        # Within what a body may have.
        key["scopes"] = (key["scopes"] * REPEATED[number % len(REPEATED)])[:2000]
    if key.get("expires_on") is not None:
        key["expires_on"] = TIMES[number % len(TIMES)] if number % 2 else f"{number % 9 + 1}d"
    keep_networks(key, number)
    if "grace" in key:
        key["grace"] = "0"
    if "for" in key or "then" in key:
        # A key that is suspended already is not suspended for a shorter time.
        key["for"], key["then"] = "until-switched-on", "resume"
