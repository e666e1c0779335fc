"""Made-up people. Every address ends in a domain that is reserved for examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from syncd.sandbox.dice import dice

if TYPE_CHECKING:
    from random import Random

_FIRST_NAMES = (
    "Lucia Hugo Martina Mateo Sofia Martin Maria Lucas Julia Leo Paula Daniel Valeria Alejandro Emma Manuel Daniela "
    "Pablo Carla Alvaro Alba Adrian Noa Enzo Alma Mario Sara Diego Carmen David Vega Oliver Lara Marcos Mia Thiago"
)
_LAST_NAMES = (
    "Garcia Rodriguez Gonzalez Fernandez Lopez Martinez Sanchez Perez Gomez Martin Jimenez Hernandez Ruiz Diaz Moreno "
    "Munoz Alvarez Romero Gutierrez Alonso Navarro Torres Dominguez Ramos Vazquez Serrano Blanco Molina Morales Suarez"
)
_FIRST, _LAST = _FIRST_NAMES.split(), _LAST_NAMES.split()
# City, postcode, country, language; Spain five times as likely as the rest together.
_PLACES = (
    ("Madrid", "28013", "ES", "es"),
    ("Barcelona", "08002", "ES", "ca"),
    ("Valencia", "46002", "ES", "es"),
    ("Sevilla", "41001", "ES", "es"),
    ("Bilbao", "48001", "ES", "es"),
    ("Zaragoza", "50003", "ES", "es"),
    ("Málaga", "29005", "ES", "es"),
    ("Vigo", "36201", "ES", "gl"),
    ("Murcia", "30001", "ES", "es"),
    ("Palma", "07001", "ES", "es"),
    ("Lisboa", "1100-148", "PT", "pt"),
    ("Lyon", "69001", "FR", "fr"),
)
_DOMAINS = ("example.com", "example.org", "example.net")

# What the shop knows about consent to e-mail marketing, as shares of all buyers.
GRANTED, REFUSED, WITHDRAWN = 0.80, 0.05, 0.05


class Person(Struct, frozen=True):
    """One person. `consent`: "granted", "refused", "withdrawn" or "never" (asked)."""

    number: int
    email: str
    first_name: str
    last_name: str
    city: str
    postcode: str
    country: str
    language: str
    consent: str


def person(seed: int, number: int, *, email: str = "", consent: str = "") -> tuple[Person, Random]:
    """Person `number`, and the dice for everything else about them."""
    chance = dice(seed, "person", number)
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    city, postcode, country, language = chance.choice(_PLACES)
    address = f"{first}.{last}.{number}@{chance.choice(_DOMAINS)}".lower()
    stance = _consent(chance.random())
    made = Person(number, email or address, first, last, city, postcode, country, language, consent or stance)
    return made, chance


def _consent(draw: float) -> str:
    if draw < GRANTED:
        return "granted"
    if draw < GRANTED + REFUSED:
        return "refused"
    return "withdrawn" if draw < GRANTED + REFUSED + WITHDRAWN else "never"
