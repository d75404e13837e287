"""Validates reports: JUnit by the XSD of Jenkins, SARIF by its schema, GitLab's by what its documentation says."""

import json
import sys

import jsonschema
from lxml import etree

xsd, schema = sys.argv[1:]
etree.XMLSchema(etree.parse(xsd)).assertValid(etree.parse("junit.xml"))
with open(schema) as file:
    validator = jsonschema.Draft4Validator(json.load(file), format_checker=jsonschema.FormatChecker())
with open("sarif.json") as file:
    validator.validate(json.load(file))
with open("g.json") as file:
    counts = json.load(file)
# https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsterraform
assert sorted(counts) == ["create", "delete", "update"] and all(type(n) is int for n in counts.values()), counts
with open("q.json") as file:
    findings = json.load(file)
# https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
for finding in findings:
    assert all(isinstance(finding[name], str) for name in ("description", "check_name", "fingerprint")), finding
    assert finding["severity"] in ("info", "minor", "major", "critical", "blocker"), finding
    assert isinstance(finding["location"]["path"], str) and finding["location"]["lines"]["begin"] >= 1, finding
assert len({finding["fingerprint"] for finding in findings}) == len(findings), "two findings have one fingerprint"
print("valid")
