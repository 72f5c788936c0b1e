"""Loads the site before gunicorn forks its workers. No hook is needed for the provider.

PENNON_URL=http://127.0.0.1:4400 PENNON_KEY=pennon_server_… \\
    gunicorn --chdir examples --config gunicorn_conf.py django_site.wsgi
"""

preload_app = True
workers = 2
