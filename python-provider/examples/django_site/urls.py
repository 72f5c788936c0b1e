"""One page, which evaluates a flag for the user in its URL."""

from django.http import HttpRequest, HttpResponse
from django.urls import path
from openfeature import api
from openfeature.evaluation_context import EvaluationContext


def checkout(_request: HttpRequest, user: str) -> HttpResponse:
    is_new = api.get_client().get_boolean_value("new-checkout", False, EvaluationContext(user))
    return HttpResponse("the new checkout" if is_new else "the old checkout")


urlpatterns = [path("checkout/<str:user>", checkout)]
