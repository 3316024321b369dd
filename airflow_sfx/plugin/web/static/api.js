// Requests to the JSON API of the same origin.

const [FIRST_WAIT, LONGEST_WAIT] = [500, 8000]; // milliseconds

let currentView = new AbortController();

// Cancels the requests of the previous view.
export function startView() {
  currentView.abort();
  currentView = new AbortController();
}

export async function get(path, query = {}) {
  const given = Object.entries(query)
    .flatMap(([name, value]) => [value].flat().map((one) => [name, one]))
    .filter(([, value]) => value !== null && value !== undefined);
  const response = await send(`api/${path}?${new URLSearchParams(given)}`, {
    signal: currentView.signal,
  });
  return bodyOf(response);
}

// Requests again until the response is complete, as long as the view is shown.
export async function getComplete(path, query) {
  const view = currentView;
  for (let wait = FIRST_WAIT; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
    const found = await get(path, query);
    if (found.complete) return found;
    await new Promise((resume) => setTimeout(resume, wait));
    view.signal.throwIfAborted();
  }
}

// Requests again after each pause, as long as the view is shown and its tab is in front, and hands
// over the response or the error.
export async function poll(path, pause, answered) {
  const view = currentView;
  for (;;) {
    await new Promise((resume) => setTimeout(resume, pause));
    if (view.signal.aborted) return;
    if (document.hidden) continue;
    try {
      answered(await get(path), null);
    } catch (error) {
      if (!view.signal.aborted) answered(null, error);
    }
  }
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-SFX-Request": "page" };
  return bodyOf(await send(`api/${path}`, { method: "POST", headers, body: JSON.stringify(body) }));
}

async function send(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    throw new Error(`Cannot reach Airflow: ${error.message}`);
  }
}

async function bodyOf(response) {
  const body = await response.json().catch((error) => {
    if (!response.ok) return {}; // a proxy's refusal
    if (error.name === "AbortError") throw error;
    throw new Error(`Airflow's answer cannot be read: ${error.message}`);
  });
  if (response.ok) return body;
  const refusal = { 401: "you are not logged in", 403: "your role does not permit this" }[
    response.status
  ];
  const detail =
    typeof body.detail === "string"
      ? body.detail
      : JSON.stringify(body.detail ?? response.statusText);
  const error = new Error(body.message ?? (refusal ? `${refusal} (${detail})` : detail));
  throw Object.assign(error, { kind: body.error });
}
