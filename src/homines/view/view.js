// Two conveniences; without them every page works by its links, forms and the reload button.
const parser = new DOMParser();

// Put the part of this id, as the server now writes it, in place of the one shown. What is text there stays text.
async function renew(id, address, signal) {
  const answer = await fetch(address, { signal });
  const page = parser.parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(id);
  const shown = document.getElementById(id);
  if (fresh && shown) shown.replaceWith(document.adoptNode(fresh));
  return fresh;
}

// The list follows what is typed and chosen.
const form = document.querySelector("form[data-live]");
if (form) {
  form.querySelector("button").hidden = true;
  let waiting = 0;
  let request = null;
  const search = () => {
    if (request) request.abort();
    request = new AbortController();
    const address = `/?${new URLSearchParams(new FormData(form))}`;
    history.replaceState(null, "", address);
    renew(form.dataset.live, address, request.signal).catch((failure) => {
      if (failure.name !== "AbortError") console.warn(failure);
    });
  };
  const soon = () => { clearTimeout(waiting); waiting = setTimeout(search, 120); };
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(waiting); search(); });
}

// A run in progress is looked at every second, until it is over.
async function follow(id) {
  const place = document.getElementById(id);
  if (!place || !place.dataset.follow) return;
  await new Promise((done) => { setTimeout(done, 1000); });
  try {
    if (!document.hidden) await renew(id, location.href);
  } catch (failure) {
    console.warn(failure);
  }
  follow(id);
}
const followed = document.querySelector("[data-follow]");
if (followed) follow(followed.dataset.follow);
