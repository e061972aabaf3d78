# shellcheck shell=bash
# Sourced after common.sh: a Hugging Face Hub of nginx on this machine, until the end of the test, with the repositories
# of make_hub.py and one token, $TOKEN.
#
#   lab/      for everyone          busy/  answers 429 when asked too often
#   gated/    listed for everyone, files for $TOKEN only
#   private/  for $TOKEN only       slow/  its large files come at 1 MiB/s
#
# Small files are redirected to another path of the hub, large ones to a CDN at another address, which wants a signature
# in the query and, as S3 does, no token.

TOKEN=hf_moonlight

# make_certificates DIR: ca.pem, and of the servers server.pem and server.key.
make_certificates() {
  local new=(openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2)
  "${new[@]}" -subj '/CN=a CA of the test' -keyout "$1/ca.key" -out "$1/ca.pem"
  "${new[@]}" -subj /CN=hub -CA "$1/ca.pem" -CAkey "$1/ca.key" -keyout "$1/server.key" -out "$1/server.pem" \
    -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:127.0.0.1,IP:127.0.0.2
}

nginx_configuration() {
  cat <<END
daemon off;
master_process off;
pid $HUB/pid;
error_log $HUB/error.log;
events {}
http {
  client_body_temp_path $HUB/temp;
  proxy_temp_path $HUB/temp;
  fastcgi_temp_path $HUB/temp;
  uwsgi_temp_path $HUB/temp;
  scgi_temp_path $HUB/temp;
  log_format requests '\$server_name \$status \$body_bytes_sent \$request_uri range=\$http_range '
                      'if=\$http_if_none_match authorization=\$http_authorization';
  access_log $HUB/access.log requests;
  default_type application/octet-stream;
  ssl_certificate $HUB/server.pem;
  ssl_certificate_key $HUB/server.key;

  map_hash_bucket_size 256;
  map_hash_max_size 4096;
  map \$uri \$large { include $HUB/redirects.map; }
  map \$scheme \$cdn { http http://127.0.0.2:${ports[2]}; https https://127.0.0.2:${ports[3]}; }
  map "\$request_uri \$http_authorization" \$denied {
    "~ Bearer $TOKEN\$" "";
    "~^/(api/models/|api/resolve-cache/models/)?private/" RepoNotFound;
    "~^/(api/resolve-cache/models/)?gated/" GatedRepo;
  }
  map "\$denied \$http_authorization" \$denied_status { "~^ " ""; "~^GatedRepo ." 403; default 401; }
  map \$request_uri \$busy { "~busy/" yes; }
  map \$request_uri \$rate { "~slow/" 1m; default 0; }
  map \$status \$retry_after { 429 1; }
  limit_req_zone \$busy zone=busy:64k rate=10r/s;
  limit_req_status 429;

  server {
    server_name hub;
    listen 127.0.0.1:${ports[0]};
    listen 127.0.0.1:${ports[1]} ssl http2;
    root $HUB/www;
    limit_req zone=busy burst=8 nodelay;
    absolute_redirect off;
    add_header X-Error-Code \$denied\$missing always;
    add_header Retry-After \$retry_after always;
    set \$missing "";
    if (\$denied_status = 401) { return 401 '{"error": "Invalid username or password."}'; }
    if (\$denied_status = 403) { return 403 '{"error": "Access to this model is restricted."}'; }
    location ~ ^/(?<repository>[^/]+/[^/]+)/resolve/(?<file>.*) {
      if (\$large) { return 302 \$cdn/\$large?Expires=1999999999&Signature=moonshine&of=\$repository/; }
      if (-f \$request_filename) { return 307 /api/resolve-cache/models/\$repository/\$file?etag=%22x%22; }
      error_page 404 = @no_entry;
      return 404;
    }
    location ~ ^/api/resolve-cache/models/(?<repository>[^/]+/[^/]+)/(?<file>.*) {
      alias $HUB/www/\$repository/resolve/\$file;
    }
    location = /api/models {
      default_type application/json;
      try_files /api/authors/\$arg_author =404;
    }
    location ~ ^/api/models/(?<repository>[^/]+/[^/]+)/ {
      default_type application/json;
      error_page 404 = @no_revision;
    }
    location @no_entry { set \$missing EntryNotFound; return 404 '{"error": "Entry not found"}'; }
    location @no_revision {
      if (!-d $HUB/www/api/models/\$repository) {
        set \$missing RepoNotFound;
        return 401 '{"error": "Invalid username or password."}';
      }
      set \$missing RevisionNotFound;
      return 404 '{"error": "Invalid rev id"}';
    }
  }

  server {
    server_name cdn;
    listen 127.0.0.2:${ports[2]};
    listen 127.0.0.2:${ports[3]} ssl http2;
    root $HUB/cdn;
    limit_req zone=busy burst=8 nodelay;
    limit_rate \$rate;
    add_header Retry-After \$retry_after always;
    if (\$http_authorization) { return 400; }
    if (\$arg_Signature != moonshine) { return 403; }
  }
}
END
}

# Sets HUB, its directory, and ENDPOINT and TLS_ENDPOINT, its origins.
start_hub() {
  HUB=$SCRATCH/hub
  mkdir "$HUB"
  python3 -B "$SOURCE_DIR/tests/support/make_hub.py" "$MODELS_DIR" "$HUB"
  make_certificates "$HUB" 2>"$SCRATCH/openssl" || { cat "$SCRATCH/openssl" >&2; return 1; }
  # shellcheck disable=SC2016  # it is evaluated at the end
  cleanups+=('kill "$hub_pid"')
  for _ in 1 2 3; do
    mapfile -t ports < <(python3 -c 'import socket
sockets = [socket.create_server((address, 0)) for address in ("127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2")]
print(*(each.getsockname()[1] for each in sockets), sep="\n")')
    nginx_configuration >"$HUB/nginx.conf"
    nginx -p "$HUB" -c "$HUB/nginx.conf" -e "$HUB/error.log" 2>"$SCRATCH/nginx" &
    hub_pid=$!
    while kill -0 "$hub_pid" 2>/dev/null; do
      if ask_hub 2>/dev/null; then
        # shellcheck disable=SC2034  # for the tests
        ENDPOINT=http://127.0.0.1:${ports[0]}
        # shellcheck disable=SC2034
        TLS_ENDPOINT=https://127.0.0.1:${ports[1]}
        return
      fi
      sleep 0.01
    done
    # Somebody else was given one of the ports meanwhile.
  done
  echo "nginx does not start:" >&2
  cat "$SCRATCH/nginx" >&2
  return 1
}

# One request, answered by the one process that also answers and logs all others.
ask_hub() {
  exec 9<>"/dev/tcp/127.0.0.1/${ports[0]}" || return 1
  printf 'GET /ask HTTP/1.0\r\n\r\n' >&9
  cat <&9 >/dev/null
  exec 9>&-
}

# What was asked since the last forget_requests, a line each: server, status, bytes sent, path, range, condition, token.
requests() {
  ask_hub
  grep -v ' /ask ' "$HUB/access.log" || true
}

forget_requests() {
  ask_hub
  : >"$HUB/access.log"
}

# Bytes of all answers, without the pages that come with redirects and errors.
sent() { requests | awk '$2 < 300 {sum += $3} END {print sum + 0}'; }
