import { TEXTS } from '../texts.ts';
import { isSlider, type Setting, SLIDER_NAMES, SLIDERS, type WhatIf, whatIfAnswer } from '../what-if.ts';

/** The reader's language until it is chosen; what is shown follows from the buttons alone. */
const languages = document.querySelectorAll<HTMLInputElement>('input[name="language"]');
for (const choice of languages) {
  if (choice.value === 'en' && !navigator.language.startsWith('zh')) choice.checked = true;
  choice.addEventListener('change', followLanguage);
}
followLanguage();

function followLanguage(): void {
  const chosen = Array.from(languages).find(({ checked }) => checked)?.value;
  const language = chosen === 'en' ? 'en' : 'zh';
  document.documentElement.lang = language === 'en' ? 'en' : 'zh-CN';
  document.title = TEXTS.title[language];
  for (const option of document.querySelectorAll('option')) option.text = option.dataset[language] ?? option.value;
}

/** Folded figures are printed too. */
addEventListener('beforeprint', () => {
  for (const folded of document.querySelectorAll('details')) folded.open = true;
});

const form = document.querySelector<HTMLFormElement>('#what-if-sliders');
const answer = document.querySelector('#what-if-answer');
const source = form?.dataset['whatIf'];
if (form && answer && source !== undefined) {
  const data = JSON.parse(source) as WhatIf;
  form.addEventListener('input', () => {
    const values = new FormData(form);
    const setting = Object.fromEntries(SLIDER_NAMES.map((name) => [name, Number(values.get(name))])) as Setting;
    for (const output of form.querySelectorAll('output')) {
      const name = output.htmlFor.value;
      if (isSlider(name)) output.value = `${setting[name]}${SLIDERS[name].unit}`;
    }
    answer.innerHTML = whatIfAnswer(data, form.querySelector('select')?.value ?? '', setting).toString();
  });
}
