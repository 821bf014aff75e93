"""A gallery to serve: nine people on three cameras, with images and paths, one of them under two numbers."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from gallery_visits import visitors
from learned import evidence
from PIL import Image

from ultralytics_reid.appearance.embedding import unit
from ultralytics_reid.gallery.records import Records, new_ids
from ultralytics_reid.gallery.store import open_store

DIM, PEOPLE = 64, 9
HOSTILE = "<script>alert('x')</script>\"'&{{7*7}}"
HOSTILE_CAMERA = '"><img src=x onerror=alert(1)>'


def jpeg(identity, size=(48, 96)):
    """A crop: one color a person."""
    hue = tuple(int(x) for x in np.random.default_rng(identity).integers(40, 220, 3))
    file = io.BytesIO()
    Image.new("RGB", size, hue).save(file, "JPEG")
    return file.getvalue()


def looks():
    """A direction an identity."""
    return unit(np.random.default_rng(7).normal(size=(PEOPLE + 40, DIM)).astype(np.float32))


def sightings(visit, look, count=4):
    rng = np.random.default_rng(visit.id)
    embeddings = unit(look + 0.05 * rng.normal(size=(count, DIM)).astype(np.float32))
    same, qualities = np.ones(count, np.int64), np.ones(count, np.float32)
    times = np.linspace(visit.first, visit.last, count)
    columns = same * visit.identity, same * visit.id, (visit.camera,) * count, times, same * 0, qualities
    return Records(new_ids(count), embeddings, *columns)


def fill(uri, people=PEOPLE, hours=3.0):
    """Fill a gallery; the last person's last visits are under a number of their own. Returns the store's visits."""
    store = open_store(uri, DIM, "test")
    made, look = [], looks()
    visits = visitors(people=people, hours=hours)
    last = [v for v in visits if v.identity == people][-1].id
    for visit in visits:
        who = visit.identity
        identity = people + 1 if visit.id == last else who
        probability = 0.62 if visit.id % 7 == 0 else 1.0 if visit.id % 5 else 0.9
        made.append(replace(visit, identity=identity, probability=probability, crop=jpeg(who)))
        store.upsert(sightings(made[-1], look[who]), [made[-1]])
    store.reserve(people + 1)
    store.name(1, "Ada")
    for camera in ("doorway", "corridor", "shop"):
        store.put_blob(f"evidence/{camera}/1", evidence(DIM).dump())
    store.close()
    return made
