import json
import sys
import urllib.request

import boto3

endpoint = sys.argv[1]
iam = boto3.client(
    "iam",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="anybody",
    aws_secret_access_key="as-yet",
)


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


allowed = policy({"Effect": "Allow", "Action": ["s3:*", "sts:*"], "Resource": "*"})
iam.create_user(UserName="operator")
iam.put_user_policy(UserName="operator", PolicyName="all", PolicyDocument=allowed)
key = iam.create_access_key(UserName="operator")["AccessKey"]
trusted = policy({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})
role = iam.create_role(RoleName="backup", AssumeRolePolicyDocument=trusted)["Role"]["Arn"]
iam.put_role_policy(RoleName="backup", PolicyName="all", PolicyDocument=allowed)
# From here on every request must be signed by somebody moto knows.
request = urllib.request.Request(
    endpoint + "/moto-api/reset-auth",
    data=b"0",
    method="POST",
    headers={"Content-Type": "text/plain"},
)
urllib.request.urlopen(request).read()
print(key["AccessKeyId"], key["SecretAccessKey"], role)
