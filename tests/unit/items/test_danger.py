"""Danger to life: what must be caught, and what only sounds like it. All sentences are our own."""

import pytest

from app.items.danger import danger_to_life, urgency_of
from app.items.danger_rules import RULES
from app.items.rows import ItemRow

DANGERS = [
    ("我家楼下的商铺着火了，火很大，快来人", "119"),
    ("三楼住户家里冒出浓烟滚滚，好像烧起来了", "119"),
    ("地下车库有电动车自燃，浓烟都窜到楼道了", "119"),
    ("配电箱冒烟还有焦糊味，怕引燃旁边的纸箱", "119"),
    ("后山起火了，火势往村子这边蔓延", "119"),
    ("昨晚扑灭的垃圾堆现在又着火了", "119"),
    ("不是演练，是真的着火了", "119"),
    ("消防演练途中仓库意外起火，现场有人被呛到", "119"),
    ("火已经灭了一半，但还有人在里面没出来，着火的是二楼", "119"),
    ("楼道里有很浓的煤气味，不知道哪家漏的", "119"),
    ("施工挖断了燃气管道，正在嘶嘶往外冒", "119"),
    ("最近经常闻到天然气味，住户都很担心", "119"),
    ("昨天就闻到燃气泄漏的味道，到现在没人来", "119"),
    ("厨房煤气罐漏气，关不上阀门", "119"),
    ("闻到很浓的液化气味，担心会爆炸", "119"),
    ("电梯突然停了，里面困住了三个人", "119"),
    ("我被关在电梯里出不来，已经二十分钟", "119"),
    ("有个孩子把头卡在护栏里了", "119"),
    ("老人反锁在屋里叫不开门，听到呼救", "119"),
    ("水涨得太快，有村民被困在房顶", "119"),
    ("电梯经常坏，现在又困人了，里面有个孕妇", "119"),
    ("路灯杆漏电，刚才一个小学生被电到了", "119"),
    ("高压线断了掉在路边，还在冒火花", "119"),
    ("一根带电的电线垂到积水里", "119"),
    ("有人触电倒在配电房门口", "119"),
    ("玄武湖边有人落水了，在喊救命", "119"),
    ("两个小孩掉进池塘里了", "119"),
    ("河里有人在挣扎，快沉下去了", "119"),
    ("有个女子站在楼顶边缘要跳楼", "110"),
    ("我实在不想活了，你们谁也别管我", "110"),
    ("隔壁女孩割腕了，流了很多血", "110"),
    ("有人爬到桥栏杆外面要跳江", "110"),
    ("拖欠工资，工人说再不给就跳楼", "110"),
    ("楼下有人拿着菜刀追人", "110"),
    ("两伙人持械斗殴，有人被砍伤", "110"),
    ("我老公正在家暴，打得满脸是血", "110"),
    ("超市门口发生抢劫，对方带着刀威胁收银员", "110"),
    ("工地围墙倒塌，压住了两个工人", "119"),
    ("老房子塌了，有人被埋在里面", "119"),
    ("路面塌陷，一辆公交车上的乘客掉进去了", "119"),
    ("化工厂那边发生爆炸，窗户都震碎了", "119"),
    ("充电时电瓶爆了，听到爆炸声后全是烟", "119"),
    ("隔壁一家人烧炭取暖，现在叫不醒了", "120"),
    ("热水器煤气中毒，老人头晕呕吐", "120"),
    ("井盖没了，一个老人掉进窨井里爬不上来", "119"),
    ("孩子踩空掉到化粪池里了", "119"),
    ("脚手架上有工人摔下来，躺着不动", "120"),
    ("花盆从楼上掉下来砸到人头，出了很多血", "120"),
    ("有人从五楼坠楼了", "120"),
    ("公园里一位大爷晕倒了，没有呼吸", "120"),
    ("路口车祸，骑车人受伤流血动不了", "120"),
    ("冷库氨气泄漏，味道刺鼻", "119"),
]

NO_DANGERS = [
    "昨天着火的垃圾桶已经扑灭，请清理现场",
    "火已被扑灭，没有人受伤，希望查一下原因，起火的是杂物间",
    "社区什么时候组织火灾逃生演练",
    "今天上午消防演习放烟雾，不是真的着火",
    "小区消防通道被堵，万一着火消防车进不来",
    "电动车上楼充电，容易引发火灾",
    "楼道堆满纸箱，存在火灾隐患",
    "没有着火，是邻居在熏腊肉",
    "希望安装火灾报警器",
    "新开的火锅店排队太长，生意火爆",
    "烧烤店每天冒浓烟，熏得人睡不着",
    "货车尾气冒黑烟，污染严重",
    "最近那部大火的电视剧在我们小区取景扰民",
    "想咨询失火赔偿找哪个部门",
    "去年三单元着火，墙面一直没粉刷，请问谁负责",
    "燃气公司上门推销燃气泄漏报警器，是不是骗子",
    "没有闻到煤气味，只是想问开户流程",
    "咨询燃气泄漏怎么办，想学点知识",
    "电梯经常困人，物业一直不换新的",
    "上个月电梯困人两次，要求物业赔偿",
    "电梯坏了三天，老人上下楼不方便",
    "长期被噪音困扰，睡不好觉",
    "押金被卡住不退，已经半年",
    "审批材料卡在窗口环节，一直没有进展",
    "担心孩子从阳台掉下去，建议加装护栏",
    "井盖缺失，怕有人掉进去",
    "井盖松动，差点把人摔进井里",
    "我的手机掉进下水道了，能帮忙捞吗",
    "轿车前轮掉进路边的坑里了，要求赔偿轮胎",
    "河边没有护栏，小孩容易掉进河里",
    "建议在池塘边竖立防溺水警示牌",
    "共享单车被人扔进河里",
    "商场跳楼价促销喇叭太吵",
    "游乐园的跳楼机涨价了",
    "学校请专家来做预防自杀讲座",
    "今年生意快活不下去了，咨询减税政策",
    "小区的树被砍了，没有公示",
    "菜刀质量有问题，商家不退货",
    "咨询管制刀具怎么邮寄",
    "路面塌陷，没有人受伤，请围挡",
    "围墙倒塌，影响居民出行",
    "晚上有人放烟花，爆炸声很大",
    "过年鞭炮爆炸声不断，吵得睡不着",
    "暑假客流爆炸，景区排队三小时",
    "家里装了漏电保护开关总是跳闸",
    "希望社区宣传预防煤气中毒",
    "外墙瓷砖脱落，差点砸到人",
    "广告牌掉下来砸到车，谁来赔",
    "路口车祸没有人受伤，只是堵车",
    "我父亲得过脑溢血，想办慢性病门诊",
    "大病住院昏迷期间的医保报销怎么办",
    "落水管坏了，雨水都滴到阳台",
    "落水的人已被救上来，感谢消防员",
    "被困电梯的老人已经救出来了，表扬物业保安",
    "看到网上视频里有人持刀，想核实",
    "剧组在老街拍戏，爆炸声扰民",
    "工地上塔吊下面没有防护，迟早会砸到人",
    "路灯不亮，电费单收不到",
    "物业收费太高，跟抢钱一样",
    "垃圾没有人清理",
    "",
]


@pytest.mark.parametrize(("text", "handover"), DANGERS)
def test_danger_is_caught_and_handed_to_the_right_service(text: str, handover: str) -> None:
    danger = danger_to_life(text)
    assert danger is not None
    assert danger.handover == handover
    assert danger.words


@pytest.mark.parametrize("text", NO_DANGERS)
def test_what_only_sounds_dangerous_is_left_alone(text: str) -> None:
    assert danger_to_life(text) is None


def test_words_name_what_was_seen_and_come_from_the_text() -> None:
    text = "电梯里困住了三个人，快来"
    danger = danger_to_life(text)
    assert danger is not None
    assert danger.rule == "电梯困人或人员被困"
    assert all(word in text for word in danger.words)


def test_full_width_and_spaces_make_no_difference() -> None:
    assert danger_to_life("三 楼 着 火 了！！") is not None
    assert danger_to_life("我要跳　楼") is not None


def test_danger_after_calm_sentences_is_found() -> None:
    assert danger_to_life("我想咨询居住证怎么办理。另外，隔壁着火了。") is not None


def test_a_past_danger_in_one_sentence_does_not_hide_a_present_one_in_the_next() -> None:
    assert danger_to_life("去年这里着火过。对面三楼起火了，火苗很高。") is not None


def test_huge_text_is_read_up_to_its_limit() -> None:
    assert danger_to_life("噪" * 1_990 + "着火了") is not None
    assert danger_to_life("噪" * 50_000) is None


def test_rule_names_are_unique() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


ITEM = ItemRow(
    standard_ref="X-2026",
    kind="matter",
    code="01",
    name="供水管道破裂",
    default_level="city",
    closure_profile="inspection",
)


def test_danger_makes_a_report_critical_and_says_whom_to_call() -> None:
    grade = urgency_of("电梯里困住了人", ITEM, "normal", urgent_limit=True)
    assert grade.urgency == "critical"
    assert "119" in grade.reason


@pytest.mark.parametrize(
    "text",
    [
        "学校门口的井盖不见了",
        "人行道路面塌陷了一个大坑",
        "自来水管爆裂，水流成河",
        "大树倒伏挡住了路",
        "外墙瓷砖往下掉，外墙脱落",
        "母亲患老年痴呆，今早走失",
    ],
)
def test_pressing_words_make_a_report_urgent(text: str) -> None:
    assert urgency_of(text).urgency == "urgent"


def test_an_urgent_limit_makes_a_report_urgent_and_names_the_item() -> None:
    grade = urgency_of("水流出来了", ITEM, urgent_limit=True)
    assert grade.urgency == "urgent"
    assert "供水管道破裂" in grade.reason


def test_a_quiet_report_is_normal() -> None:
    assert urgency_of("咨询公积金提取", None).urgency == "normal"
    assert urgency_of("倒伏的大树倒了，已经处理完了，感谢").urgency == "normal"


def test_the_grade_of_the_source_is_raised_but_never_lowered() -> None:
    assert urgency_of("咨询公积金提取", None, "critical").urgency == "critical"
    assert urgency_of("学校门口的井盖不见了", None, "normal").urgency == "urgent"
    assert urgency_of("着火了", None, "urgent").urgency == "critical"
