"""The pages and media that the sandbox shows a person, mounted beside Loupe's own."""

from io import BytesIO

from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt

from reviewqueue import gateway


@csrf_exempt
def mounted(request, path: str = ""):
    """Hand the request to the sandbox as it came. Its own forms carry ids that nobody guesses."""
    environ = {key: value for key, value in request.environ.items() if isinstance(value, str)}
    environ.pop("HTTP_COOKIE", None)  # what is Loupe's own is no business of the service's
    environ |= {"PATH_INFO": request.path_info, "SCRIPT_NAME": "", "wsgi.input": BytesIO(request.body)}
    environ |= {"wsgi.url_scheme": request.scheme, "CONTENT_LENGTH": str(len(request.body))}
    answered = {}

    def start_response(status, headers, exc_info=None):
        answered["status"], answered["headers"] = int(status.split()[0]), headers

    body = b"".join(gateway.sandbox()(environ, start_response))
    response = HttpResponse(body, status=answered["status"])
    for name, value in answered["headers"]:
        if name.lower() not in ("content-length", "connection", "server", "date"):
            response[name] = value
    return response
