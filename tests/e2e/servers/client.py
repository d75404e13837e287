"""A client of S3 that is not ours: boto3, one JSON request a line, one JSON answer a line.

`{"call": "head_object", "args": {...}}` calls boto3; `{"http": "GET", "url": ..., "body": ...}` asks
as any program would. Bytes travel in base64, and the body of an object as its size and SHA-256.
"""

import base64
import datetime
import hashlib
import json
import os
import sys
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["ENDPOINT"],
    region_name=os.environ["REGION"],
    aws_access_key_id=os.environ["ACCESS_KEY"],
    aws_secret_access_key=os.environ["SECRET_KEY"],
    config=Config(
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
        # What comes is compared with what was sent, and some servers tell checksums of a wrong length.
        response_checksum_validation="when_required",
    ),
)


def digest(pieces):
    size, sha256 = 0, hashlib.sha256()
    for piece in pieces:
        size += len(piece)
        sha256.update(piece)
    return {"size": size, "sha256": sha256.hexdigest()}


def boto(name, args):
    if "Body" in args:
        args["Body"] = base64.b64decode(args["Body"])
    try:
        answer = getattr(s3, name)(**args)
    except ClientError as error:
        return {"error": error.response["Error"]["Code"]}
    if "Body" in answer:
        answer["Body"] = digest(answer["Body"].iter_chunks(1 << 20))
    return answer


def http(method, url, body):
    data = None if body is None else base64.b64decode(body)
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return {"status": answer.status, "Body": digest([answer.read()])}
    except urllib.error.HTTPError as error:
        return {"status": error.code}


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return repr(value)


for line in sys.stdin:
    request = json.loads(line)
    if "call" in request:
        answer = boto(request["call"], request["args"])
    else:
        answer = http(request["http"], request["url"], request.get("body"))
    print(json.dumps(answer, default=plain), flush=True)
