"""What Schemathesis cannot know of a Latchkey."""

import itertools
import os

import schemathesis

OWN_ID = os.environ["OWN_ID"]
numbers = itertools.count()


@schemathesis.hook
def filter_case(context, case):
    """Leaves the account alone by whose key it all happens: it would soon be no administrator's."""
    return str((case.path_parameters or {}).get("id")) != OWN_ID


@schemathesis.hook
def map_case(context, case):
    """Sends each from an address of its own: after ten wrong passwords from one the answer is 429, not 401."""
    number = next(numbers)
    case.headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    if case.meta.generation.mode.is_positive and isinstance(case.body, dict):
        keep_rules(case.body.get("user", case.body), number)
    return case


def keep_rules(person, number):
    """Makes most people that are right otherwise pass the rules that no schema has."""
    if not isinstance(person, dict) or number % 4 == 0:
        return
    if "password_confirmation" in person:
        person["password_confirmation"] = person.get("password", "")
    for name, longest in [("login", 60), ("mail", 254)]:
        if name in person:
            person[name] = f"{number}{person[name]}"[:longest]
