# Prints which tokens of the vectors the recipe in recipe.py believes.
import json, sys
import jwt
from recipe import verify

def believes(token):
    try:
        return verify(token)["user_id"] == 7
    except jwt.InvalidTokenError:
        return False

vectors = json.load(open(sys.argv[1]))["vectors"]
print(json.dumps({vector["name"]: believes(vector["token"]) for vector in vectors}))
