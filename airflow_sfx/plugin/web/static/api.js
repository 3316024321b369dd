// The JSON API of the same origin.

let superseded = new AbortController();

// Whatever was asked for the view before need not be answered any more.
export function anew() {
  superseded.abort();
  superseded = new AbortController();
}

export async function get(path, query = {}) {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null && value !== undefined));
  return answer(await reach(`api/${path}?${asked}`, { signal: superseded.signal }));
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-SFX-Request": "page" };
  return answer(await reach(`api/${path}`, { method: "POST", headers, body: JSON.stringify(body) }));
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    throw new Error(`Airflow cannot be reached: ${error.message}`);
  }
}

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const refused = { 401: "you are not logged in", 403: "your role may not do this" }[response.status];
  const detail = typeof body.detail === "string" ? body.detail : JSON.stringify(body.detail ?? response.statusText);
  const error = new Error(body.message ?? (refused ? `${refused} (${detail})` : detail));
  throw Object.assign(error, { kind: body.error });
}
