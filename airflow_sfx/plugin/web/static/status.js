// The state of the page: whether it is busy, its error message, and the request to show the view
// again.

export function busy(now) {
  document.getElementById("main").setAttribute("aria-busy", String(now));
}

export function showError(message) {
  document.getElementById("alert").textContent = message;
}

// Shows a message, of texts and elements.
export function say(...parts) {
  document.getElementById("status").replaceChildren(...parts);
}

// A change ends by showing the view again, with an error or a success message. The views cannot
// import page.js, which imports them: it listens for this event.
export function showAgain(error, success) {
  document.dispatchEvent(new CustomEvent("showagain", { detail: { error, success } }));
}
