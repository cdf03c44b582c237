"""The services that the dialects stand in for, built from the real packages, to record what they answer.

Django, djangorestframework and djangorestframework-simplejwt as Debian has them. The views hold no more than the paths
and fields of each dialect: validation, authentication, refusals, headers and metadata are those of the packages.
django-rest-knox is not in Debian: its paths stand on rest_framework.authtoken, which it shares its refusals with.
"""
import os
from datetime import timedelta

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="of recordings only, and of no other use",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["RECORDING_DATABASE"]}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework.authtoken",
        "rest_framework_simplejwt.token_blacklist",
    ],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"],
    AUTH_PASSWORD_VALIDATORS=[
        {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
        {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    ],
    SIMPLE_JWT={"REFRESH_TOKEN_LIFETIME": timedelta(days=30)},
    USE_TZ=True,
)
django.setup()

from django import forms  # noqa: E402
from django.contrib.auth import authenticate  # noqa: E402
from django.contrib.auth.forms import UserCreationForm  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.auth.password_validation import validate_password  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import path, re_path  # noqa: E402
from rest_framework import generics, serializers  # noqa: E402
from rest_framework.authentication import TokenAuthentication  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from rest_framework.authtoken.serializers import AuthTokenSerializer  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.throttling import SimpleRateThrottle  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework_simplejwt import views as jwt  # noqa: E402
from rest_framework_simplejwt.authentication import JWTAuthentication  # noqa: E402


class Open(generics.GenericAPIView):
    authentication_classes = []


class WithToken(APIView):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]


class TriesPerMinute(SimpleRateThrottle):
    """Throttles whoever says so: the other recordings are not to be counted."""

    rate = "60/min"

    def get_cache_key(self, request, view):
        return "tries" if request.META.get("HTTP_USER_AGENT") == "throttled" else None


class UserSerializer(serializers.ModelSerializer):
    email = serializers.EmailField(required=True)
    password = serializers.CharField(write_only=True, validators=[validate_password])

    class Meta:
        model = User
        fields = ["id", "username", "email", "password", "first_name", "last_name"]

    def create(self, data):
        return User.objects.create_user(**data)


class LoginSerializer(serializers.Serializer):
    username = serializers.CharField()
    password = serializers.CharField()


class Register(Open):
    serializer_class = UserSerializer

    def post(self, request):
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        token = Token.objects.create(user=serializer.save())
        return Response({**serializer.data, "token": token.key}, status=201)


class Login(Open):
    serializer_class = LoginSerializer
    throttle_classes = [TriesPerMinute]

    def post(self, request):
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = authenticate(**serializer.validated_data)
        if user is None:
            return Response({"error": "Invalid username or password"}, status=400)
        token, _ = Token.objects.get_or_create(user=user)
        return Response({"token": token.key, "user": {"id": user.id, "username": user.username, "email": user.email}})


class Logout(WithToken):
    def post(self, request):
        request.auth.delete()
        return Response({"detail": "Successfully logged out."})


class SignupForm(UserCreationForm):
    email = forms.EmailField(required=True)
    accept_tos = forms.BooleanField(required=True)

    class Meta(UserCreationForm.Meta):
        fields = ["username", "email"]


def signup(request):
    form = SignupForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors, "success": False, "token": None})
    return JsonResponse({"errors": {}, "success": True, "token": Token.objects.create(user=form.save()).key})


def form_login(request):
    user = authenticate(username=request.POST.get("username"), password=request.POST.get("password"))
    if user is None:
        message = "Please enter a correct username and password. Note that both fields may be case-sensitive."
        return JsonResponse({"errors": {"__all__": [message]}, "success": False, "token": None})
    token, _ = Token.objects.get_or_create(user=user)
    return JsonResponse({"errors": {}, "success": True, "token": token.key})


class FormLogout(WithToken):
    def post(self, request):
        request.auth.delete()
        return Response({"success": True})


class KnoxLogin(Open):
    name = "Login"
    serializer_class = AuthTokenSerializer

    def post(self, request):
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        token, _ = Token.objects.get_or_create(user=serializer.validated_data["user"])
        return Response({"expiry": "2026-01-01T00:00:00.000000Z", "token": token.key})


class KnoxRegister(Open):
    class serializer_class(UserSerializer):
        email = None

        class Meta(UserSerializer.Meta):
            fields = ["username", "password", "first_name", "last_name"]

    def post(self, request):
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        token = Token.objects.create(user=serializer.save())
        return Response({"expiry": "2026-01-01T00:00:00.000000Z", "token": token.key}, status=201)


class KnoxLogout(WithToken):
    def post(self, request):
        request.auth.delete()
        return Response({})


class KnoxUser(WithToken, generics.GenericAPIView):
    class serializer_class(serializers.ModelSerializer):
        class Meta:
            model = User
            fields = ["username", "first_name", "last_name", "date_joined", "last_login"]
            read_only_fields = ["date_joined", "last_login"]

    def get(self, request):
        return Response(self.get_serializer(request.user).data)

    def put(self, request):
        serializer = self.get_serializer(request.user, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(serializer.data)


class AnyToken(JWTAuthentication):
    """As miniSASS has it: a token that is no good counts as none."""

    def authenticate(self, request):
        try:
            return super().authenticate(request)
        except Exception:
            return None


class Status(APIView):
    name = "Check Authentication Status"
    authentication_classes = [AnyToken]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"username": request.user.username})


class JwtLogout(APIView):
    authentication_classes = [JWTAuthentication]
    permission_classes = [IsAuthenticated]

    def post(self, request):
        return Response({"message": "Logout successful"})


def both(prefix, view):
    return re_path(rf"^{prefix}/?$", view)


API = "authentication/api"
urlpatterns = [
    both("api/auth/register", Register.as_view()),
    both("api/auth/login", Login.as_view()),
    both("api/auth/logout", Logout.as_view()),
    both("auth/signup", signup),
    both("auth/login", form_login),
    both("auth/logout", FormLogout.as_view()),
    both("knox/login", KnoxLogin.as_view()),
    both("knox/register", KnoxRegister.as_view()),
    both("knox/logout", KnoxLogout.as_view()),
    both("knox/user", KnoxUser.as_view()),
    path(f"{API}/token/", jwt.TokenObtainPairView.as_view()),
    path(f"{API}/token/refresh/", jwt.TokenRefreshView.as_view()),
    path(f"{API}/token/verify/", jwt.TokenVerifyView.as_view()),
    path(f"{API}/token/blacklist/", jwt.TokenBlacklistView.as_view()),
    path(f"{API}/check-auth-status/", Status.as_view()),
    path(f"{API}/logout/", JwtLogout.as_view()),
]


def prepare():
    """A database with the two accounts that every transcript begins with."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    User.objects.create_user("ada", "ada@example.org", "a cup of stars")
    User.objects.create_user("bob", "bob@example.org", "a cup of comets")
    cache.clear()


application = get_wsgi_application()
