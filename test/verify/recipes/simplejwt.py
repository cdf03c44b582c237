# Prints which tokens of the vectors a Django REST framework with auth.py and settings.py of the recipe believes.
import json, sys
import django
from django.conf import settings
import recipe_settings

names = {name: getattr(recipe_settings, name) for name in ("SIMPLE_JWT", "REST_FRAMEWORK")}
settings.configure(SECRET_KEY="of no use", USE_TZ=True, INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"], **names)
django.setup()

from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView


class Whose(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"id": request.user.id, "username": request.user.token["username"]})


def believes(token):
    answer = Whose.as_view()(APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {token}"))
    if answer.status_code == 401:
        return False
    assert answer.status_code == 200 and answer.data == {"id": 7, "username": "ada"}, (answer.status_code, answer.data)
    return True


vectors = json.load(open(sys.argv[1]))["vectors"]
print(json.dumps({vector["name"]: believes(vector["token"]) for vector in vectors}))
