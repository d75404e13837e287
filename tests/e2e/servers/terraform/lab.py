"""A provider whose resources are files of JSON, which a test changes behind terraform's back.

The resource `lab_thing` is created once the file that `waits_for` names is there, fails where `fail` says so, and
copies its secret into `copy`, which carries no mark. The data source `lab_reading` reads a file of the folder.
"""

import json
import os
import time
from pathlib import Path

from tf.iface import DataSource, Provider, Resource
from tf.runner import run_provider
from tf.schema import Attribute, Schema
from tf.types import Bool, Map, String

FOLDER = Path(os.environ["LAB_FOLDER"])
OPTIONAL = [
    Attribute("size", String(), optional=True),
    Attribute("tags", Map(String()), optional=True),
    Attribute("waits_for", String(), optional=True),
    Attribute("fail", Bool(), optional=True),
    Attribute("secret", String(), optional=True, sensitive=True),
]


class Thing(Resource):
    def __init__(self, provider):
        pass

    @classmethod
    def get_name(cls):
        return "thing"

    @classmethod
    def get_schema(cls):
        computed = [Attribute(name, String(), computed=True) for name in ("id", "copy")]
        return Schema([Attribute("name", String(), required=True), *OPTIONAL, *computed])

    def create(self, ctx, planned):
        return self.write(ctx, {**planned, "id": planned["name"]})

    def update(self, ctx, current, planned):
        return self.write(ctx, {**planned, "id": current["id"]})

    def write(self, ctx, thing):
        while thing["waits_for"] and not (FOLDER / thing["waits_for"]).exists():
            time.sleep(0.05)
        if thing["fail"]:
            ctx.diagnostics.add_error("the lab refuses", f"no {thing['name']} with {thing['secret']}")
            return None
        thing = {**thing, "copy": thing["secret"]}
        (FOLDER / thing["id"]).write_text(json.dumps(thing))
        return thing

    def read(self, ctx, current):
        return self.import_(ctx, current["id"])

    def import_(self, ctx, id):
        file = FOLDER / id
        return json.loads(file.read_text()) if file.exists() else None

    def delete(self, ctx, current):
        (FOLDER / current["id"]).unlink(missing_ok=True)


class Reading(DataSource):
    def __init__(self, provider):
        pass

    @classmethod
    def get_name(cls):
        return "reading"

    @classmethod
    def get_schema(cls):
        value = Attribute("value", String(), computed=True)
        return Schema([Attribute("name", String(), required=True), value])

    def read(self, ctx, config):
        return {**config, "value": (FOLDER / config["name"]).read_text()}


class Lab(Provider):
    def get_model_prefix(self):
        return "lab_"

    def full_name(self):
        return "tests.example/tests/lab"

    def get_provider_schema(self, diags):
        return Schema()

    def validate_config(self, diags, config):
        pass

    def configure_provider(self, diags, config):
        pass

    def get_data_sources(self):
        return [Reading]

    def get_resources(self):
        return [Thing]


run_provider(Lab())
