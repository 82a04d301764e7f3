// Copyright The apikey-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// The view that shows a key once. Without this file a button asks for the key; with it the key comes by itself, and is removed from the
// document when the page is left.
'use strict';

let secretShown = false;

// ask asks for the key until it is there, and puts the answer into the page. The address and the history never change.
async function ask(box) {
  box.querySelector('.progress').hidden = false;
  box.querySelector('form button').hidden = true;
  for (;;) {
    const answer = await fetch(box.dataset.self, { method: 'POST' }).catch(() => null);
    if (!answer) {
      announce('The page does not answer.');
      document.getElementById('lost').hidden = false;
      return;
    }
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const next = fresh.getElementById('once');
    if (!next) {
      document.getElementById('main').replaceChildren(...document.importNode(fresh.getElementById('main'), true).childNodes);
      return;
    }
    box.replaceChildren(...document.importNode(next, true).childNodes);
    if (next.dataset.state !== 'waiting') {
      show(box, next.dataset.state);
      return;
    }
    box.querySelector('.progress').hidden = false;
    box.querySelector('form button').hidden = true;
  }
}

// show prepares the view with the key: the way on opens once the person has confirmed.
function show(box, state) {
  box.dataset.state = state;
  copyButtons(box);
  const done = box.querySelector('[data-leave] button');
  if (state !== 'shown') return;
  secretShown = true;
  const stored = box.querySelector('#stored');
  done.disabled = true;
  stored.addEventListener('change', () => { done.disabled = !stored.checked; });
  box.querySelector('[data-leave]').addEventListener('submit', () => { secretShown = false; wipe(); });
  const heading = box.querySelector('h1');
  heading.tabIndex = -1;
  heading.focus();
}

function wipe() {
  const key = document.getElementById('key');
  if (key) key.textContent = '';
}

// The browser asks before the page is left while the key is not stored.
window.addEventListener('beforeunload', (event) => {
  if (secretShown && !document.getElementById('stored').checked) event.preventDefault();
});
// A page that the browser keeps for Back holds no key.
window.addEventListener('pagehide', wipe);
window.addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });

const onceBox = document.getElementById('once');
if (onceBox.dataset.state === 'ready' || onceBox.dataset.state === 'waiting') ask(onceBox);
else show(onceBox, onceBox.dataset.state);
