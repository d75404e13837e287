"""Puts a file to a key, or a folder below a prefix, with boto3's own transfer manager and its defaults."""

import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager

endpoint, source, bucket, key = sys.argv[1:]
if os.path.isdir(source):
    walk = ((folder, name) for folder, _, names in os.walk(source) for name in names)
    paths = [os.path.join(folder, name) for folder, name in walk]
    objects = [(path, key + os.path.relpath(path, source)) for path in paths]
else:
    objects = [(source, key)]

client = boto3.client("s3", endpoint_url=endpoint)
with create_transfer_manager(client, TransferConfig()) as manager:
    for future in [manager.upload(path, bucket, key) for path, key in objects]:
        future.result()
