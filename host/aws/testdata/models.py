"""Prints what AWS's published service models say of protocols, by the name of the endpoint."""

import json

import botocore.session

session = botocore.session.get_session()
models = {}
for name in session.get_available_services():
    data = session.get_service_model(name).metadata
    kept = ("signingName", "protocols", "targetPrefix", "jsonVersion", "apiVersion", "awsQueryCompatible")
    models.setdefault(data["endpointPrefix"], []).append({key: data[key] for key in kept if key in data})
print(json.dumps(models))
