// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// The form that creates a key. Without this file it is checked when it is sent; with it the API server judges it while the person types.
'use strict';

const form = document.getElementById('create');
const touched = new Set();
let checking = null;
let timer = 0;
let nameEdited = form.elements.name.value !== '';

// check asks what the API server would say. The latest check wins: an earlier one is given up.
async function check() {
  if (checking) checking.abort();
  checking = new AbortController();
  const panel = document.querySelector('aside.sticky');
  panel.setAttribute('aria-busy', 'true');
  const answer = await fetch('/create/check', { method: 'POST', body: new URLSearchParams(new FormData(form)), signal: checking.signal })
    .then((response) => (response.ok ? response.json() : null))
    .catch((error) => (error.name === 'AbortError' ? undefined : null));
  if (answer === undefined) return;
  panel.removeAttribute('aria-busy');
  if (answer === null) {
    verdict({ tone: 'warn', title: 'This could not be checked.', text: 'It is checked when you send it.', rule: '' });
    return;
  }
  document.getElementById('yaml').textContent = answer.yaml;
  if (!nameEdited && answer.name) form.elements.name.value = answer.name;
  problems(answer.fields || {});
  verdict(answer.verdict);
  form.dataset.checked = String(Number(form.dataset.checked || 0) + 1);
}

// problems shows what is wrong with fields. A field that was never filled in is not complained about.
function problems(fields) {
  for (const place of form.querySelectorAll('[data-problem]')) {
    const field = place.dataset.problem;
    const text = fields[field] || '';
    const quiet = text && !touched.has(field) && isEmpty(field);
    place.textContent = quiet ? '' : text;
    place.hidden = quiet || !text;
    const input = form.elements[field];
    if (input && input.setAttribute) {
      if (place.hidden) input.removeAttribute('aria-invalid');
      else input.setAttribute('aria-invalid', 'true');
    }
  }
}

function isEmpty(field) {
  const input = form.elements[field];
  return !input || input.value === '';
}

function verdict(said) {
  const box = document.getElementById('verdict');
  const part = (name) => box.querySelector('[data-part=' + name + ']');
  box.hidden = !said.title;
  box.className = 'note ' + said.tone;
  if (part('title').textContent !== said.title) part('title').textContent = said.title;
  if (part('text').textContent !== said.text) part('text').textContent = said.text;
  document.getElementById('rule').textContent = said.rule;
  part('ruled').hidden = !said.rule;
}

// only shows the fields that belong to what is chosen.
function only() {
  for (const field of form.querySelectorAll('[data-only]')) field.hidden = form.elements.expires.value !== field.dataset.only;
}

form.addEventListener('input', (event) => {
  touched.add(event.target.name);
  if (event.target.name === 'name') nameEdited = event.target.value !== '';
  if (!nameEdited) form.elements.name.value = '';
  only();
  clearTimeout(timer);
  timer = setTimeout(check, 250);
});

// Another namespace means other grants: the server fills in the form again.
form.addEventListener('change', (event) => {
  const again = form.querySelector('[name=step]');
  if (event.target.name === 'namespace' && again) {
    clearTimeout(timer);
    form.requestSubmit(again);
  }
});

form.addEventListener('submit', (event) => {
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = 'true';
  clearTimeout(timer);
  if (checking) checking.abort();
});
// A form that the browser keeps for Back can be sent again.
window.addEventListener('pageshow', () => { delete form.dataset.sent; });

only();
for (const place of form.querySelectorAll('[data-problem]:not([hidden])')) touched.add(place.dataset.problem);
const wrong = form.querySelector('[aria-invalid=true]');
if (wrong) wrong.focus();
