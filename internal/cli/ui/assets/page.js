// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// The page works without this file, except for the exchange of the token. It adds live updates, a filter while typing, and copy buttons.
'use strict';

document.documentElement.classList.add('scripted');

const announce = (text) => { document.getElementById('announce').textContent = text; };

// enter exchanges the token of the address for the session, and removes it from the address and the history first.
async function enter(box) {
  const token = location.hash.slice(1);
  history.replaceState(null, '', location.pathname);
  const answer = token && await fetch('/session', { method: 'POST', body: token }).catch(() => null);
  const home = answer && answer.ok ? true : (await fetch('/', { method: 'HEAD' }).catch(() => ({}))).ok;
  if (home) {
    location.replace('/');
    return;
  }
  box.querySelector('[data-state=busy]').hidden = true;
  box.querySelector('[data-state=refused]').hidden = false;
}

// copyButtons shows the buttons that copy the text of an element.
function copyButtons(root) {
  for (const button of root.querySelectorAll('[data-copy]')) {
    button.hidden = false;
  }
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy]');
  if (button) {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    const label = button.textContent;
    button.textContent = 'Copied';
    announce('Copied');
    setTimeout(() => { button.textContent = label; }, 2000);
  }
  if (event.target.closest('[data-reload]')) {
    event.preventDefault();
    location.reload();
  }
});

// refresh reads the page again and replaces the parts that are marked for it, where they differ.
// An update that comes meanwhile waits for the one under way; what the person asks for does not.
let refreshing = null;
let again = false;
async function refresh(address, asked = false) {
  if (refreshing && !asked) { again = true; return false; }
  if (refreshing) refreshing.abort();
  const mine = new AbortController();
  refreshing = mine;
  const done = await readAgain(address, mine.signal);
  if (refreshing !== mine) return false;
  refreshing = null;
  if (again) { again = false; refresh(liveAddress()); }
  return done;
}

async function readAgain(address, signal) {
  const answer = await fetch(address, { signal, headers: { 'X-Refresh': '1' } }).catch(() => null);
  if (!answer || !answer.ok) return false;
  const text = await answer.text().catch(() => null);
  if (text === null) return false;
  const fresh = new DOMParser().parseFromString(text, 'text/html');
  for (const part of document.querySelectorAll('[data-refresh]')) {
    const next = fresh.getElementById(part.id);
    if (next) replace(part, next);
  }
  return true;
}

// replace puts new content in the place of old, and keeps the focus on what has it.
function replace(part, next) {
  if (part.innerHTML === next.innerHTML) return;
  const active = part.contains(document.activeElement) ? document.activeElement : null;
  const mark = active && (active.getAttribute('href') || active.id);
  part.replaceChildren(...document.importNode(next, true).childNodes);
  copyButtons(part);
  if (mark) {
    const again = [...part.querySelectorAll('a, button, input, select')].find((e) => e.getAttribute('href') === mark || e.id === mark);
    if (again) again.focus({ preventScroll: true });
  }
}

// filterAsTyped asks for the list again while the person types.
function filterAsTyped(form) {
  let timer = 0;
  const submit = () => {
    if (!form.reportValidity()) return; // an API key, which must not stand in the address
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ''));
    const address = '/' + (query.size ? '?' + query : '');
    history.replaceState(null, '', address);
    refresh(address, true).then((done) => { if (done) announce(document.getElementById('list').querySelectorAll('tbody tr').length + ' keys shown'); });
  };
  form.addEventListener('submit', (event) => { event.preventDefault(); submit(); });
  form.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(submit, 120); });
}

// liveAddress is where the view can be read again: after a form was refused, the address of the browser is that of the form.
const liveAddress = () => document.body.dataset.live || location.href;

// follow reads the page again when a key in it has changed. A hidden tab follows nothing: browsers allow few connections to one server.
function follow() {
  let source = null;
  let failures = 0;
  const start = () => {
    if (source || document.hidden) return;
    source = new EventSource('/changes');
    source.onopen = () => { failures = 0; document.getElementById('lost').hidden = true; refresh(liveAddress()); };
    source.onmessage = (event) => {
      const about = document.body.querySelector('[data-about]');
      if (!about || event.data === '*' || event.data.split(' ').includes(about.dataset.about)) refresh(liveAddress());
    };
    source.onerror = () => { failures += 1; if (failures > 2 || source.readyState === EventSource.CLOSED) document.getElementById('lost').hidden = false; };
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden && source) { source.close(); source = null; } else if (!document.hidden) { start(); }
  });
  start();
}

// busy shows that a form is under way, and keeps it from being sent twice.
function busy(form) {
  form.addEventListener('submit', (event) => {
    if (form.getAttribute('aria-busy') === 'true') { event.preventDefault(); return; }
    form.setAttribute('aria-busy', 'true');
    announce('Working');
  });
}

// A page that the browser brings back from its cache is read anew, and its fields are emptied: one of them may hold a key.
addEventListener('pagehide', () => { for (const field of document.querySelectorAll('input[type=password]')) field.value = ''; });
addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });

const box = document.getElementById('enter');
if (box) {
  enter(box);
} else {
  copyButtons(document);
  document.querySelectorAll('form[data-filter]').forEach(filterAsTyped);
  document.querySelectorAll('form[data-busy]').forEach(busy);
  const first = document.querySelector('[data-focus], main > .note:not([hidden])');
  if (first) { first.focus(); first.scrollIntoView({ block: 'nearest' }); }
  if (document.body.dataset.live !== undefined && document.querySelector('[data-refresh]')) follow();
}
